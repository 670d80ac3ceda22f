// Duration: a length of time in units, as Luxon defines it.
(function (kit) {
  "use strict";
  var UNITS = kit.UNITS;
  var CASUAL = kit.CASUAL = {
    years: { quarters: 4, months: 12, weeks: 52, days: 365 }, quarters: { months: 3, weeks: 13, days: 91 },
    months: { weeks: 4, days: 30 }, weeks: { days: 7 }, days: {}, hours: { minutes: 60, seconds: 3600, milliseconds: 3600000 },
    minutes: { seconds: 60, milliseconds: 60000 }, seconds: { milliseconds: 1000 }, milliseconds: {},
  };
  var EXACT = {
    years: { quarters: 4, months: 12, weeks: 146097 / 2800, days: 146097 / 400 },
    quarters: { months: 3, weeks: 146097 / 11200, days: 146097 / 1600 }, months: { weeks: 146097 / 33600, days: 146097 / 4800 },
    weeks: { days: 7 }, days: {}, hours: CASUAL.hours, minutes: CASUAL.minutes, seconds: CASUAL.seconds, milliseconds: {},
  };
  for (var matrix of [CASUAL, EXACT]) {
    for (var unit of ["years", "quarters", "months", "weeks", "days"]) {
      var days = matrix[unit].days || 1;
      Object.assign(matrix[unit], { hours: days * 24, minutes: days * 1440, seconds: days * 86400, milliseconds: days * 86400000 });
    }
  }

  function millis(values, matrix) {
    var sum = values.milliseconds || 0;
    for (var unit of UNITS.slice(0, 8)) { if (values[unit]) { sum += values[unit] * matrix[unit].milliseconds; } }
    return sum;
  }
  kit.millis = millis;

  // Carries from small to large units, so that all have one sign, then fractions to smaller units.
  function normalized(values, matrix) {
    var sign = millis(values, matrix) < 0 ? -1 : 1, present = UNITS.filter(function (unit) { return values[unit] !== undefined; });
    for (var n = present.length - 1; n > 0; n--) {
      var small = present[n], large = present[n - 1], factor = matrix[large][small], up = Math.floor(values[small] * sign / factor);
      values[large] += up * sign;
      values[small] -= up * factor * sign;
    }
    for (n = 0; n < present.length - 1; n++) {
      var fraction = values[present[n]] % 1;
      values[present[n]] -= fraction;
      values[present[n + 1]] += fraction * matrix[present[n]][present[n + 1]];
    }
    return tidy(values);
  }
  function tidy(values) { for (var unit of Object.keys(values)) { values[unit] += 0; } return values; }  // no -0

  function fromObject(given) {
    var values = {};
    for (var key of Object.keys(given)) {
      if (given[key] === undefined || given[key] === null || ["locale", "numberingSystem", "conversionAccuracy"].includes(key)) { continue; }
      var value = Number(given[key]);
      if (typeof given[key] === "boolean" || given[key] === "" || !Number.isFinite(value)) { throw new RangeError("Invalid unit value " + given[key]); }
      values[key === "m" ? "minutes" : kit.unit(key)] = value;
    }
    return values;
  }

  class Duration {
    constructor(values, matrix, locale, invalid) {
      Object.defineProperties(this, { _m: { value: matrix || CASUAL }, _l: { value: locale || "en-US" }, _why: { value: invalid || null } });
      this.values = values;
    }
    static fromObject(given, options) {
      if (given === null || typeof given !== "object") { throw new TypeError("Duration.fromObject: argument expected to be an object, got " + (given === null ? "null" : typeof given)); }
      options = options || {};
      return new Duration(fromObject(given), options.conversionAccuracy === "longterm" ? EXACT : CASUAL, options.locale);
    }
    static fromMillis(count, options) { return Duration.fromObject({ milliseconds: count }, options); }
    static fromDurationLike(given) {
      if (typeof given === "number") { return Duration.fromMillis(given); }
      if (given instanceof Duration) { return given; }
      if (given && typeof given === "object") { return Duration.fromObject(given); }
      throw new TypeError("Unknown duration argument " + given + " of type " + typeof given);
    }
    static fromISO(text, options) {
      var number = "([+-]?\\d+(?:[.,]\\d+)?)";
      var found = new RegExp("^([+-])?P(?:(?:" + number + "Y)?(?:" + number + "M)?(?:" + number + "W)?(?:" + number + "D)?(?:T(?:" + number + "H)?(?:" + number + "M)?(?:" + number + "S)?)?)$").exec(String(text));
      if (!found || found.slice(2).every(function (part) { return part === undefined; })) {
        return Duration.invalid("unparsable", "the input \"" + text + "\" can't be parsed as ISO 8601");
      }
      var sign = found[1] === "-" ? -1 : 1, values = {};
      ["years", "months", "weeks", "days", "hours", "minutes"].forEach(function (unit, n) {
        if (found[n + 2] !== undefined) { values[unit] = sign * parseFloat(found[n + 2].replace(",", ".")); }
      });
      if (found[8] !== undefined) {
        var text8 = found[8].replace(",", "."), whole = Math.trunc(parseFloat(text8));
        values.seconds = sign * whole;
        if (text8.includes(".")) { values.milliseconds = sign * (text8[0] === "-" ? -1 : 1) * Math.floor(parseFloat("0." + text8.split(".")[1]) * 1000 + 1e-9); }
      }
      return Duration.fromObject(values, options);
    }
    static fromISOTime(text, options) {
      var found = /^T?(\d{2})(?::?(\d{2})(?::?(\d{2})(?:[.,](\d{1,9}))?)?)?$/.exec(String(text));
      if (!found) { return Duration.invalid("unparsable", "the input \"" + text + "\" can't be parsed as ISO 8601"); }
      return Duration.fromObject({ hours: found[1], minutes: found[2], seconds: found[3], milliseconds: found[4] && Math.floor(("0." + found[4]) * 1000) }, options);
    }
    static invalid(reason, explanation) { return new Duration({}, CASUAL, null, { reason: reason, explanation: explanation || null }); }
    static isDuration(value) { return value instanceof Duration; }

    get isValid() { return this._why === null; }
    get invalidReason() { return this._why && this._why.reason; }
    get invalidExplanation() { return this._why && this._why.explanation; }
    get locale() { return this._l; }
    get conversionAccuracy() { return this._m === EXACT ? "longterm" : "casual"; }
    get(unit) { return this[kit.unit(unit)]; }
    set(given) { return this._with(Object.assign({}, this.values, fromObject(given))); }
    reconfigure(options) {
      var accuracy = options && options.conversionAccuracy;
      return new Duration(this.values, accuracy ? (accuracy === "longterm" ? EXACT : CASUAL) : this._m, options && options.locale || this._l);
    }
    plus(other) { return this._added(other, 1); }
    minus(other) { return this._added(other, -1); }
    _added(other, sign) {
      if (!this.isValid) { return this; }
      var that = Duration.fromDurationLike(other), values = {};
      for (var unit of UNITS) {
        if (unit in this.values || unit in that.values) { values[unit] = (this.values[unit] || 0) + sign * (that.values[unit] || 0); }
      }
      return this._with(values);
    }
    _with(values) { return this.isValid ? new Duration(values, this._m, this._l) : this; }
    mapUnits(change) {
      var values = {};
      for (var unit of Object.keys(this.values)) { values[unit] = Number(change(this.values[unit], unit)); }
      return this._with(values);
    }
    negate() { return this.mapUnits(function (value) { return value === 0 ? 0 : -value; }); }
    normalize() { return this._with(normalized(Object.assign({}, this.values), this._m)); }
    rescale() {
      if (!this.isValid) { return this; }
      return this.normalize().shiftToAll().removeZeros();
    }
    removeZeros() {
      var values = this.values;
      return this._with(Object.fromEntries(Object.entries(values).filter(function (entry) { return entry[1] !== 0; })));
    }
    shiftToAll() { return this.shiftTo("years", "months", "weeks", "days", "hours", "minutes", "seconds", "milliseconds"); }
    shiftTo() {
      if (!this.isValid || arguments.length === 0) { return this; }
      var wanted = Array.from(arguments, kit.unit), built = {}, left = {}, last = null, matrix = this._m;
      for (var unit of UNITS) {
        var value = this.values[unit];
        if (!wanted.includes(unit)) { if (value !== undefined) { left[unit] = value; } continue; }
        var own = value || 0;
        for (var larger of Object.keys(left)) { own += left[larger] * matrix[larger][unit]; left[larger] = 0; }
        built[unit] = Math.trunc(own);
        left[unit] = (own * 1000 - Math.trunc(own) * 1000) / 1000;
        last = unit;
      }
      for (unit of Object.keys(left)) {
        if (left[unit] !== 0) { built[last] += unit === last ? left[unit] : left[unit] / matrix[last][unit]; }
      }
      return this._with(normalized(built, matrix));
    }
    as(unit) { return this.isValid ? this.shiftTo(unit).get(unit) : NaN; }
    toObject() { return this.isValid ? Object.assign({}, this.values) : {}; }
    toMillis() { return this.isValid ? millis(this.values, this._m) : NaN; }
    valueOf() { return this.toMillis(); }
    toISO() {
      if (!this.isValid) { return null; }
      var v = this.values, seconds = Math.round(((v.seconds || 0) + (v.milliseconds || 0) / 1000) * 1000) / 1000;
      var date = (v.years ? v.years + "Y" : "") + (v.months || v.quarters ? (v.months || 0) + (v.quarters || 0) * 3 + "M" : "") + (v.weeks ? v.weeks + "W" : "") + (v.days ? v.days + "D" : "");
      var time = (v.hours ? v.hours + "H" : "") + (v.minutes ? v.minutes + "M" : "") + (seconds ? seconds + "S" : "");
      return "P" + (date + (time && "T" + time) || "T0S");
    }
    toISOTime(options) {
      var total = this.toMillis();
      if (!this.isValid || total < 0 || total >= 86400000) { return null; }
      options = Object.assign({ suppressMilliseconds: false, suppressSeconds: false, includePrefix: false, format: "extended" }, options);
      var colon = options.format === "basic" ? "" : ":", p = kit.padded, text = p(Math.floor(total / 3600000), 2) + colon + p(Math.floor(total / 60000) % 60, 2);
      var seconds = Math.floor(total / 1000) % 60, rest = Math.floor(total % 1000);
      if (!options.suppressSeconds || seconds || rest) {
        text += colon + p(seconds, 2);
        if (!options.suppressMilliseconds || rest) { text += "." + p(rest, 3); }
      }
      return (options.includePrefix ? "T" : "") + text;
    }
    toJSON() { return this.toISO(); }
    toString() { return this.isValid ? this.toISO() : "Invalid Duration"; }
    toFormat(format, options) {
      if (!this.isValid) { return "Invalid Duration"; }
      var letters = { S: "milliseconds", s: "seconds", m: "minutes", h: "hours", d: "days", w: "weeks", M: "months", y: "years" };
      var tokens = kit.tokens(format), units = [...new Set(tokens.filter(function (t) { return !t.literal && letters[t.text[0]]; }).map(function (t) { return letters[t.text[0]]; }))];
      var shifted = this.shiftTo.apply(this, units), floor = !options || options.floor !== false;
      return tokens.map(function (token) {
        var unit = !token.literal && letters[token.text[0]];
        if (!unit) { return token.text; }
        var value = shifted.get(unit), shown = floor ? Math.trunc(value) : Math.round(value * 1000) / 1000, parts = String(Math.abs(shown)).split(".");
        parts[0] = parts[0].padStart(token.text.length, "0");
        return (shown < 0 ? "-" : "") + parts.join(".");
      }).join("");
    }
    toHuman(options) {
      if (!this.isValid) { return "Invalid Duration"; }
      options = options || {};
      var values = this.values, showZeros = options.showZeros !== false, locale = this._l;
      if (!/^en\b/.test(locale)) {
        if (!kit.ListFormat) { throw new RangeError("Duration.toHuman in another locale than English needs the word setLocale or locale in the same expression."); }
        return new kit.ListFormat(locale, { type: "conjunction", style: options.listStyle || "narrow" }).format(UNITS.filter(function (unit) {
          return values[unit] !== undefined && (showZeros || values[unit] !== 0);
        }).map(function (unit) {
          return new kit.NumberFormat(locale, Object.assign({ style: "unit", unitDisplay: "long" }, options, { unit: unit.slice(0, -1) })).format(values[unit]);
        }));
      }
      var short = { years: "yr", quarters: "qtr", months: "mth", weeks: "wk", days: "day", hours: "hr", minutes: "min", seconds: "sec", milliseconds: "ms" };
      var narrow = { years: "y", quarters: "q", months: "m", weeks: "w", days: "d", hours: "h", minutes: "m", seconds: "s", milliseconds: "ms" };
      var texts = UNITS.filter(function (unit) { return values[unit] !== undefined && (showZeros || values[unit] !== 0); }).map(function (unit) {
        var value = values[unit], shown = String(Math.round(value * 1000) / 1000).replace(/\B(?=(\d{3})+(?!\d))/g, ",");
        if (options.unitDisplay === "narrow") { return shown + narrow[unit]; }
        if (options.unitDisplay === "short") { return shown + " " + short[unit] + (value === 1 || /^(min|sec|ms)$/.test(short[unit]) && true ? "" : "s"); }
        return shown + " " + (value === 1 ? unit.slice(0, -1) : unit);
      });
      if (options.listStyle === "long") { return texts.length < 2 ? texts.join("") : texts.slice(0, -1).join(", ") + (texts.length > 2 ? "," : "") + " and " + texts[texts.length - 1]; }
      return texts.join(", ");
    }
    equals(other) {
      if (!(other instanceof Duration) || !this.isValid || !other.isValid) { return false; }
      var a = this.values, b = other.values;
      return UNITS.every(function (unit) { return (a[unit] || 0) === (b[unit] || 0); });
    }
    [Symbol.for("nodejs.util.inspect.custom")]() { return this.toString(); }
  }
  for (unit of UNITS) {
    (function (unit) {
      Object.defineProperty(Duration.prototype, unit, { get: function () { return this.isValid ? this.values[unit] || 0 : NaN; }, configurable: true });
    })(unit);
  }
  kit.Duration = Duration;
})
