// Intl.DateTimeFormat, Date.toLocaleString and its kin, and the locales of DateTime.
(function (kit) {
  "use strict";
  var LETTERS = { y: "year", M: "month", L: "month", d: "day", E: "weekday", c: "weekday", a: "dayPeriod", h: "hour", H: "hour", K: "hour", k: "hour", m: "minute", s: "second", S: "fractionalSecond", z: "timeZoneName", G: "era" };
  kit.localeOf = function (tag) { return kit.localeData(tag).date; };
  kit.weekRule = function (tag) { var date = kit.localeData(tag).date; return [date.firstDay, date.minDays]; };

  function pad(value, width) { return String(value).padStart(width, "0"); }
  function written(d, token, names, data) {
    var length = token.length;
    function text(value) { return data.number.zero === 48 ? value : value.replace(/\d/g, function (digit) { return String.fromCharCode(data.number.zero + Number(digit)); }); }
    switch (token[0]) {
      case "y": var year = d.year + (names.years ? names.years.added : 0); return text(length === 2 ? pad(year % 100, 2) : String(year));
      case "M": return length < 3 ? text(pad(d.month, length)) : length === 3 ? names.monthsShort[d.month - 1] : length === 4 ? names.months[d.month - 1] : Array.from(names.months[d.month - 1])[0].toUpperCase();
      case "L": return length < 3 ? text(pad(d.month, length)) : length === 3 ? names.monthsShortAlone[d.month - 1] : length === 4 ? names.monthsAlone[d.month - 1] : Array.from(names.monthsAlone[d.month - 1])[0].toUpperCase();
      case "d": return text(pad(d.day, length));
      case "E": case "c": return length < 4 ? names[token[0] === "c" ? "weekdaysShortAlone" : "weekdaysShort"][d.weekday % 7] : length === 4 ? names.weekdays[d.weekday % 7] : Array.from(names.weekdays[d.weekday % 7])[0].toUpperCase();
      case "a": return names.meridiems[d.hour < 12 ? 0 : 1];
      case "h": return text(pad(d.hour % 12 || 12, length));
      case "K": return text(pad(d.hour % 12, length));
      case "H": return text(pad(d.hour, length));
      case "k": return text(pad(d.hour || 24, length));
      case "m": return text(pad(d.minute, length));
      case "s": return text(pad(d.second, length));
      case "S": return text(pad(d.millisecond, 3).slice(0, length));
      case "z": return length > 3 ? d.offsetNameLong : d.offsetNameShort;
      case "G": if (names.years) { return length > 3 ? names.years.eraLong : names.years.era; } return (length > 3 ? names.erasLong : names.eras)[d.year < 1 ? 0 : 1];
    }
    return token;
  }
  // Returns the pattern of the date fields of some options: that of CLDR for the same fields, with their widths.
  function datePattern(o, date) {
    var month = { numeric: "M", "2-digit": "M", short: "MMM", long: "MMMM", narrow: "MMM" }[o.month] || "";
    var key = (o.era ? "G" : "") + (o.year ? "y" : "") + month + (o.weekday ? "E" : "") + (o.day ? "d" : "");
    if (key === "") { return ""; }
    if (key === "E") { return o.weekday === "short" ? "ccc" : o.weekday === "narrow" ? "ccccc" : "cccc"; }
    var pattern = date.skeletons[key], short = key.replace("MMMM", "MMM");
    if (key === "yMMMMd") { pattern = date.dates.long; }
    if (key === "yMMMMEd" && o.weekday === "long") { pattern = date.skeletons.yMMMMEEEEd && date.years ? date.skeletons.yMMMMEEEEd : date.dates.full; }
    if (!pattern && month === "MMMM" && date.skeletons[short]) { pattern = date.skeletons[short].replace(/MMM+/, "MMMM").replace(/LLL+/, "LLLL"); }
    if (!pattern && key === "y") { pattern = "y"; }
    if (!pattern) { throw new RangeError("these fields of a date have no common format: " + key); }
    return pattern.replace(/('[^']*')|([A-Za-z])\2*/g, function (token, quoted) {
      if (quoted) { return quoted; }
      var letter = token[0];
      if (letter === "y") { return o.year === "2-digit" ? "yy" : "y"; }
      if (letter === "d") { return o.day === "2-digit" ? "dd" : token; }
      if ((letter === "M" || letter === "L") && token.length < 3) { return o.month === "2-digit" ? letter + letter : token; }
      if ((letter === "M" || letter === "L") && o.month === "narrow") { return letter.repeat(5); }
      if (letter === "E" || letter === "c") { return letter.repeat({ long: 4, short: 3, narrow: 5 }[o.weekday] || 3); }
      return token;
    });
  }
  function timePattern(o, date) {
    if (!o.hour && !o.minute && !o.second && !o.fractionalSecondDigits) { return ""; }
    var half = o.hour12 !== undefined ? o.hour12 : o.hourCycle ? /^h1[12]$/.test(o.hourCycle) : /[hK]/.test(date.times.short.replace(/'[^']*'/g, "")), h = half ? "h" : "H";
    var key = (o.hour ? h : "") + (o.minute ? "m" : "") + (o.second || o.fractionalSecondDigits ? "s" : "");
    var pattern = date.skeletons[key] || { m: "m", s: "s" }[key] || "mm:ss";
    if (o.hour === "2-digit") { pattern = pattern.replace(/h+|H+/, function (token) { return token[0] + token[0]; }); }
    if (o.fractionalSecondDigits) { pattern = pattern.replace(/s+/, function (token) { return token + "." + "S".repeat(o.fractionalSecondDigits); }); }
    return pattern;
  }
  // Gregorian dates would look right and be wrong.
  function requireCalendar(o, data) {
    var calendar = o.calendar || data.date.calendar;
    if (calendar === data.date.calendar && (calendar === "gregory" || data.date.years)) { return; }
    throw new RangeError("dates of the locale " + JSON.stringify(data.tag) + " in the calendar " + JSON.stringify(calendar) + " are not available; for Gregorian dates, use the locale " + JSON.stringify(data.tag + "-u-ca-gregory"));
  }
  function patternOf(o, data) {
    var date = data.date, day, time, join = "medium";
    if (o.dateStyle || o.timeStyle) {
      for (var style of [o.dateStyle, o.timeStyle]) { if (style && !(style in date.dates)) { throw new RangeError("dateStyle and timeStyle are full, long, medium or short, not " + JSON.stringify(style)); } }
      day = o.dateStyle ? date.dates[o.dateStyle] : ""; time = o.timeStyle ? date.times[o.timeStyle] : ""; join = o.dateStyle || "medium";
      if (time && (o.hour12 !== undefined || o.hourCycle)) { time = timePattern({ hour: "numeric", minute: "numeric", second: o.timeStyle === "short" ? undefined : "numeric", hour12: o.hour12, hourCycle: o.hourCycle }, date); }
    } else {
      day = datePattern(o, date); time = timePattern(o, date);
      join = o.month === "long" ? (o.weekday === "long" ? "full" : "long") : o.month === "short" ? "medium" : "short";
      if (o.timeZoneName) { if (time) { time += o.timeZoneName === "long" ? " zzzz" : " z"; } else { day += o.timeZoneName === "long" ? ", zzzz" : ", z"; } }
    }
    if (/[yMLdG]/.test((day || "").replace(/'[^']*'/g, ""))) { requireCalendar(o, data); }
    return day && time ? date.joins[join].replace("{1}", function () { return day; }).replace("{0}", function () { return time; }) : day || time;
  }
  function parts(d, pattern, data) {
    var out = [];
    kit.tokens(pattern).forEach(function (token) {
      var type = token.literal ? "literal" : LETTERS[token.text[0]] || "literal", value = token.literal ? token.text : written(d, token.text, data.date, data), last = out[out.length - 1];
      if (type === "literal" && last && last.type === "literal") { last.value += value; } else { out.push({ type: type, value: value }); }
    });
    return out;
  }
  function joined(list) { return list.map(function (part) { return part.value; }).join("").replace(/\u202f/g, " "); }
  var DAY = { year: "numeric", month: "numeric", day: "numeric" }, CLOCK = { hour: "numeric", minute: "numeric", second: "numeric" };
  function withDefaults(given, needed, all) {
    var o = Object.assign({}, given), has = function (names) { return names.some(function (name) { return o[name] !== undefined; }); };
    if (o.dateStyle || o.timeStyle) { return o; }
    var date = has(["weekday", "year", "month", "day", "era"]), time = has(["hour", "minute", "second", "fractionalSecondDigits", "dayPeriod"]);
    if (needed === "any" ? !date && !time : needed === "date" ? !date : !time) { Object.assign(o, all); }
    return o;
  }
  class DateTimeFormat {
    constructor(tags, given, needed, all) {
      var data = kit.localeData(tags), o = withDefaults(given, needed || "any", all || DAY);
      var zone = kit.zone(o.timeZone);
      if (!zone.isValid) { throw new RangeError("there is no time zone " + JSON.stringify(o.timeZone)); }
      Object.defineProperties(this, { _d: { value: data }, _o: { value: o }, _zone: { value: zone }, _pattern: { value: patternOf(o, data) } });
      this.format = this.format.bind(this);
    }
    static supportedLocalesOf(tags) { return kit.NumberFormat.supportedLocalesOf(tags); }
    resolvedOptions() { return Object.assign({ locale: this._d.tag, calendar: this._d.date.calendar, numberingSystem: "latn", timeZone: this._zone.name }, this._o, { timeZone: this._zone.name }); }
    formatToParts(value) {
      var ts = value === undefined ? Date.now() : value instanceof kit.DateTime ? value.toMillis() : value instanceof Date ? value.getTime() : Number(value);
      if (Number.isNaN(ts)) { throw new RangeError("Invalid time value"); }
      return parts(kit.DateTime.fromMillis(ts, { zone: this._zone }), this._pattern, this._d);
    }
    format(value) { return joined(this.formatToParts(value)); }
  }
  kit.intl("DateTimeFormat", DateTimeFormat);
  // Localized formats of DateTime keep its zone.
  kit.localized = function (d, options) {
    var data = kit.localeData(d.locale), given = withDefaults(options, "any", DAY);
    return joined(parts(given.timeZone ? d.setZone(given.timeZone) : d, patternOf(given, data), data));
  };
  function replace(name, needed, all) {
    Object.defineProperty(Date.prototype, name, { value: function (tags, options) {
      return Number.isNaN(this.getTime()) ? "Invalid Date" : new DateTimeFormat(tags, options, needed, all).format(this);
    }, writable: true, configurable: true });
  }
  replace("toLocaleString", "any", Object.assign({}, DAY, CLOCK));
  replace("toLocaleDateString", "date", DAY);
  replace("toLocaleTimeString", "time", CLOCK);
})
