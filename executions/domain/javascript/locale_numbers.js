// Locales, Intl.NumberFormat and Number.toLocaleString. The host passes the data of each locale that is used.
(function (kit) {
  "use strict";
  var known = Object.create(null), used = Object.create(null), count = 0, stringify = JSON.stringify;
  kit.addLocale = function (tag, data) { known[tag] = data; count++; };
  kit.addLocaleWords = function (tag, words) { if (known[tag]) { known[tag].words = words; } };
  // Report a locale that is not loaded. While the host looks for these, another one stands in, and the result is dropped.
  function missing(tag) {
    if (count >= kit.mostLocales) { throw new RangeError("the locale " + stringify(tag.slice(0, 100)) + " is one too many: a node can use at most " + kit.mostLocales + " locales for its values. Use fewer locales, or several nodes"); }
    if (!kit.looksForLocales || !(tag in used)) { used[tag] = true; kit.miss("locale", tag.slice(0, 100)); }
    if (!kit.looksForLocales) { throw new RangeError("the locale " + stringify(tag.slice(0, 100)) + " is not loaded"); }
    return known["en-US"];
  }
  kit.localeData = function (tags) {
    var tag = Array.isArray(tags) ? tags[0] : tags;
    tag = tag === undefined || tag === null || tag === "" ? kit.defaultLocale : String(tag);
    if (!(tag in known)) { return missing(tag); }
    if (known[tag] === null) { throw new RangeError("there is no locale " + stringify(tag.slice(0, 100)) + "; use a tag such as en-GB or de-DE"); }
    return known[tag];
  };

  // The decimal digits of a number that is finite, rounded half away from zero: [digits before the point, after it].
  function decimal(value, options) {
    var found = /^(\d+)(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(String(Math.abs(value))), digits = found[1] + (found[2] || ""), point = found[1].length + Number(found[3] || 0);
    if (point < 1) { digits = "0".repeat(1 - point) + digits; point = 1; }
    if (point > digits.length) { digits += "0".repeat(point - digits.length); }
    var first = digits.search(/[1-9]/), at = options.significant ? (first < 0 ? point : first + options.maxSignificant) : point + options.maxFraction;
    if (at < digits.length) {
      var up = digits[at] >= "5", kept = digits.slice(0, Math.max(at, 0)).split("");
      for (var n = kept.length - 1; up && n >= 0; n--) { up = kept[n] === "9"; kept[n] = up ? "0" : String(Number(kept[n]) + 1); }
      digits = (up ? "1" : "") + kept.join("") + "0".repeat(Math.max(0, point - at));
      if (up) { point += 1; }
    }
    var whole = digits.slice(0, point).replace(/^0+(?=\d)/, ""), fraction = digits.slice(point).replace(/0+$/, "");
    var least = options.significant ? Math.max(0, options.minSignificant - (whole === "0" ? fraction.replace(/^0+/, "").length - fraction.length : whole.length)) : options.minFraction;
    return [whole.padStart(options.minInteger, "0"), fraction.padEnd(least, "0")];
  }
  kit.decimalParts = decimal;
  function grouped(whole, pattern, group, number, mode) {
    if (mode === false || mode === "false") { return whole; }
    var sizes = /#((?:,#+)*),([#0]+)(?:\.|$)/.exec(pattern.replace(/[^#0,.]/g, "")), last = sizes ? sizes[2].length : 3;
    var others = sizes && sizes[1] ? sizes[1].split(",").pop().length : last, least = mode === "always" || mode === true ? 1 : mode === "min2" ? 2 : number.minGrouping;
    if (whole.length < last + least) { return whole; }
    var out = whole.slice(-last), rest = whole.slice(0, -last);
    while (rest) { out = rest.slice(-others) + group + out; rest = rest.slice(0, -others); }
    return out;
  }
  function limit(value, name, low, high, otherwise) {
    if (value === undefined) { return otherwise; }
    if (!(Number(value) >= low && Number(value) <= high)) { throw new RangeError(name + " must be from " + low + " to " + high + ", not " + value); }
    return Math.floor(value);
  }
  class NumberFormat {
    constructor(tags, given) {
      var data = kit.localeData(tags), o = Object.assign({ style: "decimal" }, given), style = o.style;
      if (!["decimal", "percent", "currency", "unit"].includes(style)) { throw new RangeError("the style " + stringify(style) + " of numbers is not available: use decimal, percent, currency or unit"); }
      if (o.notation && !["standard", "compact"].includes(o.notation)) { throw new RangeError("the notation " + stringify(o.notation) + " of numbers is not available: use standard or compact"); }
      if (o.notation === "compact" && !["decimal", "unit"].includes(style)) { throw new RangeError("the notation \"compact\" is not available for the style " + stringify(style)); }
      var inWords = style === "unit" || o.notation === "compact" || (style === "currency" && o.currencyDisplay === "name");
      if (inWords && !kit.numberInWords) { throw new RangeError("write the options notation, style and currencyDisplay as literals, such as {notation: \"compact\"}"); }
      if (style === "currency" && !/^[A-Za-z]{3}$/.test(o.currency)) { throw new TypeError("the style currency needs a currency such as EUR, not " + stringify(o.currency)); }
      var code = style === "currency" ? o.currency.toUpperCase() : "", money = code in data.number.digits ? data.number.digits[code] : 2;
      var least = style === "currency" ? money : 0, most = style === "currency" ? money : style === "percent" ? 0 : 3;
      var min = limit(o.minimumFractionDigits, "minimumFractionDigits", 0, 100), max = limit(o.maximumFractionDigits, "maximumFractionDigits", 0, 100);
      if (min !== undefined && max !== undefined && min > max) { throw new RangeError("maximumFractionDigits is less than minimumFractionDigits"); }
      var significant = o.minimumSignificantDigits !== undefined || o.maximumSignificantDigits !== undefined;
      Object.defineProperties(this, { _d: { value: data }, _inWords: { value: inWords }, _code: { value: code }, _o: { value: o }, _digits: { value: {
        minInteger: limit(o.minimumIntegerDigits, "minimumIntegerDigits", 1, 21, 1),
        minFraction: min === undefined ? Math.min(least, max === undefined ? least : max) : min, maxFraction: max === undefined ? Math.max(most, min || 0) : max, significant: significant,
        minSignificant: limit(o.minimumSignificantDigits, "minimumSignificantDigits", 1, 21, 1), maxSignificant: limit(o.maximumSignificantDigits, "maximumSignificantDigits", 1, 21, 21),
      } } });
      this.format = this.format.bind(this);
    }
    static supportedLocalesOf(tags) { return (Array.isArray(tags) ? tags : [tags]).filter(function (tag) { try { return kit.localeData(tag); } catch (_) { return false; } }); }
    resolvedOptions() { return Object.assign({ locale: this._d.tag, numberingSystem: "latn" }, this._o, { minimumFractionDigits: this._digits.minFraction, maximumFractionDigits: this._digits.maxFraction }); }
    format(value) {
      value = typeof value === "bigint" ? Number(value) : Number(value);
      var o = this._o, number = this._d.number, kind = o.style === "currency" && o.currencySign === "accounting" ? "accounting" : o.style;
      if (this._inWords && Number.isFinite(value)) { return this._signed(kit.numberInWords(this, Math.abs(value), this._plain.bind(this)), value); }
      var patterns = number.patterns[kind === "unit" ? "decimal" : kind].split(";"), negative = value < 0 || Object.is(value, -0), text;
      if (o.style === "percent") { value = Number((value * 100).toPrecision(15)); }
      if (Number.isNaN(value)) { text = number.nan; negative = false; }
      else if (!Number.isFinite(value)) { text = number.infinity; }
      else {
        if (/^0*$/.test(decimal(value, this._digits).join("")) && o.signDisplay === "negative") { negative = false; }
        text = this._plain(value, this._digits, o.useGrouping, patterns[0], o.style === "currency" ? number.money : []);
      }
      var sign = negative ? number.minus : o.signDisplay === "always" || (o.signDisplay === "exceptZero" && value > 0) ? number.plus : "";
      if (o.signDisplay === "never") { sign = ""; }
      var pattern = sign && negative && patterns[1] ? patterns[1] : patterns[0], own = pattern !== patterns[0];
      var symbol = o.currencyDisplay === "code" ? this._code : this._symbol();
      var out = pattern.replace(/'/g, "").replace(/[#0,.]+/, function () { return text; }).replace("%", number.percent);
      if (symbol) { out = out.replace("¤", function () { return symbol; }); }
      // A code of letters is set apart from the digits.
      if (/[A-Za-z]$/.test(symbol)) { out = out.replace(symbol + text, symbol + "\u00a0" + text); }
      return sign && !(own && /[-(]/.test(pattern)) ? sign + out : out.replace(/^-|(?<=^.*¤?)-(?=\d)/, number.minus);
    }
    // The digits of a number without its sign.
    _plain(value, digits, grouping, pattern, money) {
      var number = this._d.number, zero = number.zero, parts = decimal(value, digits), separators = money || [];
      var text = grouped(parts[0], pattern || number.patterns.decimal.split(";")[0], separators[1] || number.group, number, grouping) + (parts[1] && (separators[0] || number.decimal) + parts[1]);
      return zero === 48 ? text : text.replace(/\d/g, function (digit) { return String.fromCharCode(zero + Number(digit)); });
    }
    _signed(text, value) {
      var display = this._o.signDisplay, number = this._d.number, negative = value < 0 || Object.is(value, -0);
      if (display === "never") { return text; }
      return negative ? number.minus + text : display === "always" || (display === "exceptZero" && value > 0) ? number.plus + text : text;
    }
    _symbol() {
      var found = this._d.number.currencies[this._code] || this._code;
      return this._o.currencyDisplay === "narrowSymbol" ? { USD: "$", EUR: "€", GBP: "£", JPY: "¥", CNY: "¥", INR: "₹", KRW: "₩", CAD: "$", AUD: "$", BRL: "R$", MXN: "$", RUB: "₽", TRY: "₺", ILS: "₪" }[this._code] || found : found;
    }
    formatToParts() { throw new Error("Intl.NumberFormat.formatToParts is not available"); }
  }
  kit.NumberFormat = NumberFormat;
  function intl(name, value) { Object.defineProperty(globalThis.Intl, name, { value: value, writable: true, configurable: true }); }
  if (!globalThis.Intl) { Object.defineProperty(globalThis, "Intl", { value: {}, writable: true, configurable: true }); }
  function constructor(made) { return new Proxy(made, { apply: function (target, _, args) { return new target(args[0], args[1]); } }); }
  kit.intl = function (name, made) { intl(name, constructor(made)); };
  kit.intl("NumberFormat", NumberFormat);
  intl("getCanonicalLocales", function (tags) { return Array.isArray(tags) ? tags : tags === undefined ? [] : [tags]; });
  ["DisplayNames", "Segmenter", "DurationFormat"].forEach(function (name) {
    Object.defineProperty(globalThis.Intl, name, { get: function () { throw new Error("Intl." + name + " is not available"); }, configurable: true });
  });
  function replace(prototype, name, call) { Object.defineProperty(prototype, name, { value: call, writable: true, configurable: true }); }
  replace(Number.prototype, "toLocaleString", function (tags, options) { return new NumberFormat(tags, options).format(Number(this)); });
  replace(BigInt.prototype, "toLocaleString", function (tags, options) { return new NumberFormat(tags, options).format(Number(this)); });
  kit.formatNumber = function (value, tags, options) { return new NumberFormat(tags === undefined ? "en-US" : tags, options).format(value); };
})
