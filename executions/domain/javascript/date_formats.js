// The format tokens of DateTime.toFormat and DateTime.fromFormat.
(function (kit) {
  "use strict";
  var ENGLISH = {
    tag: "en",
    months: "January|February|March|April|May|June|July|August|September|October|November|December".split("|"),
    monthsShort: "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec".split("|"),
    weekdays: "Sunday|Monday|Tuesday|Wednesday|Thursday|Friday|Saturday".split("|"),
    weekdaysShort: "Sun|Mon|Tue|Wed|Thu|Fri|Sat".split("|"),
    meridiems: ["AM", "PM"], eras: ["BC", "AD"], erasLong: ["Before Christ", "Anno Domini"],
  };
  kit.english = ENGLISH;
  // Replaced when the data of locales is loaded.
  kit.localeOf = kit.localeOf || function (tag) {
    if (/^en\b/i.test(tag)) { return ENGLISH; }
    throw new RangeError("the locale " + JSON.stringify(tag) + " is not loaded");
  };

  // Splits a format into runs of one letter and literal text; text in single quotes is literal.
  kit.tokens = function (format) {
    var out = [], expression = /'([^']*)'?|([A-Za-z])\2*|[^A-Za-z']+/g, found;
    format = String(format);
    while ((found = expression.exec(format)) !== null) {
      if (found[0] === "") { break; }
      if (found[2]) { out.push({ literal: false, text: found[0] }); }
      else { out.push({ literal: true, text: found[1] !== undefined ? found[1] : found[0] }); }
    }
    return out;
  };

  function number(value, width) {
    return (value < 0 ? "-" : "") + String(Math.abs(value)).padStart(width || 1, "0");
  }
  function initial(text) { return Array.from(text)[0]; }

  var TOKENS = {
    S: function (d) { return number(d.millisecond); }, SSS: function (d) { return number(d.millisecond, 3); },
    u: function (d) { return number(d.millisecond, 3); }, uu: function (d) { return number(Math.floor(d.millisecond / 10), 2); },
    uuu: function (d) { return number(Math.floor(d.millisecond / 100)); },
    s: function (d) { return number(d.second); }, ss: function (d) { return number(d.second, 2); },
    m: function (d) { return number(d.minute); }, mm: function (d) { return number(d.minute, 2); },
    h: function (d) { return number(d.hour % 12 || 12); }, hh: function (d) { return number(d.hour % 12 || 12, 2); },
    H: function (d) { return number(d.hour); }, HH: function (d) { return number(d.hour, 2); },
    Z: function (d) { return offset(d, "narrow"); }, ZZ: function (d) { return offset(d, "short"); },
    ZZZ: function (d) { return offset(d, "techie"); }, ZZZZ: function (d) { return d.offsetNameShort; },
    ZZZZZ: function (d) { return d.offsetNameLong; }, z: function (d) { return d.zoneName; },
    a: function (d, names) { return names.meridiems[d.hour < 12 ? 0 : 1]; },
    d: function (d) { return number(d.day); }, dd: function (d) { return number(d.day, 2); },
    E: function (d) { return number(d.weekday); }, EEE: function (d, names) { return names.weekdaysShort[d.weekday % 7]; },
    EEEE: function (d, names) { return names.weekdays[d.weekday % 7]; },
    EEEEE: function (d, names) { return initial(names.weekdays[d.weekday % 7]).toUpperCase(); },
    L: function (d) { return number(d.month); }, LL: function (d) { return number(d.month, 2); },
    LLL: function (d, names) { return names.monthsShort[d.month - 1]; },
    LLLL: function (d, names) { return names.monthsAlone ? names.monthsAlone[d.month - 1] : names.months[d.month - 1]; },
    LLLLL: function (d, names) { return initial(names.months[d.month - 1]).toUpperCase(); },
    MMM: function (d, names) { return names.monthsShort[d.month - 1]; },
    MMMM: function (d, names) { return names.months[d.month - 1]; },
    y: function (d) { return number(d.year); }, yy: function (d) { return number(d.year, 2).slice(-2); },
    yyyy: function (d) { return number(d.year, 4); }, yyyyyy: function (d) { return number(d.year, 6); },
    G: function (d, names) { return names.eras[d.year < 1 ? 0 : 1]; }, GG: function (d, names) { return names.erasLong[d.year < 1 ? 0 : 1]; },
    GGGGG: function (d) { return d.year < 1 ? "B" : "A"; },
    kk: function (d) { return number(d.weekYear, 4).slice(-2); }, kkkk: function (d) { return number(d.weekYear, 4); },
    W: function (d) { return number(d.weekNumber); }, WW: function (d) { return number(d.weekNumber, 2); },
    n: function (d) { return number(d.localWeekNumber); }, nn: function (d) { return number(d.localWeekNumber, 2); },
    ii: function (d) { return number(d.localWeekYear, 4).slice(-2); }, iiii: function (d) { return number(d.localWeekYear, 4); },
    o: function (d) { return number(d.ordinal); }, ooo: function (d) { return number(d.ordinal, 3); },
    q: function (d) { return number(d.quarter); }, qq: function (d) { return number(d.quarter, 2); },
    X: function (d) { return number(Math.floor(d.ts / 1000)); }, x: function (d) { return number(d.ts); },
  };
  TOKENS.c = TOKENS.E; TOKENS.ccc = TOKENS.EEE; TOKENS.cccc = TOKENS.EEEE; TOKENS.ccccc = TOKENS.EEEEE;
  TOKENS.M = TOKENS.L; TOKENS.MM = TOKENS.LL; TOKENS.MMMMM = TOKENS.LLLLL;

  function offset(d, format) {
    return d.isOffsetFixed && d.offset === 0 && d._allowZ ? "Z" : kit.offsetText(d.offset, format);
  }

  // Localized formats, as options of Intl.DateTimeFormat.
  var DATES = ["", { month: "numeric" }, { month: "short" }, { month: "long" }, { month: "long", weekday: "long" }];
  var MACRO = /^(D{1,4}|t{1,4}|T{1,4}|f{1,4}|F{1,4})$/;
  kit.macroOptions = function (token) {
    var letter = token[0], length = token.length, options = {};
    if (letter !== "t" && letter !== "T") { Object.assign(options, { year: "numeric", day: "numeric" }, DATES[length]); }
    if (letter === "D") { return options; }
    options.hour = "numeric"; options.minute = "numeric";
    if (letter === "t" || letter === "T") {
      if (length > 1) { options.second = "numeric"; }
      if (length > 2) { options.timeZoneName = length === 3 ? "short" : "long"; }
      if (letter === "T") { options.hourCycle = "h23"; }
    } else {
      if (letter === "F") { options.second = "numeric"; }
      if (length > 2) { options.timeZoneName = length === 3 ? "short" : "long"; }
    }
    return options;
  };

  kit.format = function (d, format) {
    var names = null;
    return kit.tokens(format).map(function (token) {
      if (token.literal) { return token.text; }
      if (MACRO.test(token.text)) { return kit.localized(d, kit.macroOptions(token.text)); }
      var write = TOKENS[token.text];
      if (!write) { return token.text; }
      names = names || kit.localeOf(d.locale);
      return write(d, names);
    }).join("");
  };

  // Returns the options as English text; replaced when the data of locales is loaded.
  kit.localized = kit.localized || function (d, options) {
    kit.localeOf(d.locale);
    var date = "", time = "";
    if (options.day) {
      var long = options.month !== "numeric";
      date = long ? TOKENS[options.month === "short" ? "MMM" : "MMMM"](d, ENGLISH) + " " + d.day + ", " + number(d.year) : d.month + "/" + d.day + "/" + number(d.year);
      if (options.weekday) { date = TOKENS.EEEE(d, ENGLISH) + ", " + date; }
    }
    if (options.hour) {
      var day24 = options.hourCycle === "h23";
      time = day24 ? number(d.hour, 2) : number(d.hour % 12 || 12);
      time += ":" + number(d.minute, 2) + (options.second ? ":" + number(d.second, 2) : "");
      if (!day24) { time += " " + TOKENS.a(d, ENGLISH); }
      if (options.timeZoneName) { time += " " + (options.timeZoneName === "short" ? d.offsetNameShort : d.offsetNameLong); }
    }
    return date && time ? date + (options.month === "long" ? " at " : ", ") + time : date || time;
  };

  // The names of offsets as English locales write them.
  var AMERICAN = /^(A|C|E|H|M|P|AK)[SD]T$/;
  var REGIONS = { E: "Eastern", C: "Central", M: "Mountain", P: "Pacific", AK: "Alaska", H: "Hawaii-Aleutian", A: "Atlantic" };
  var LONG = {
    CET: "Central European Standard Time", CEST: "Central European Summer Time", WET: "Western European Standard Time",
    WEST: "Western European Summer Time", EET: "Eastern European Standard Time", EEST: "Eastern European Summer Time",
    GMT: "Greenwich Mean Time", BST: "British Summer Time", JST: "Japan Standard Time", IST: "India Standard Time",
    MSK: "Moscow Standard Time", KST: "Korean Standard Time", UTC: "Coordinated Universal Time",
  };
  kit.offsetName = function (d, length) {
    var zone = d.zone, abbreviation = zone.abbreviation(d.ts), american = /^(America|US|Pacific\/Honolulu|Canada)/.test(zone.name) && AMERICAN.exec(abbreviation);
    if (length === "short") {
      if (zone.isUniversal) { return zone.name; }
      return american ? abbreviation : "GMT" + (d.offset ? kit.offsetText(d.offset, "narrow") : "");
    }
    if (american) { return REGIONS[american[1]] + (abbreviation.slice(-2) === "DT" ? " Daylight Time" : " Standard Time"); }
    if (zone.name === "Europe/Dublin" && abbreviation === "IST") { return "Irish Standard Time"; }
    if (zone.name === "Asia/Jerusalem") { return "Israel " + (abbreviation === "IDT" ? "Daylight" : "Standard") + " Time"; }
    if (LONG[abbreviation]) { return LONG[abbreviation]; }
    return "GMT" + (d.offset ? kit.offsetText(d.offset, "short") : "");
  };

  // Parsing: a token is a regular expression and what its text means.
  function list(names) { return names.map(function (name) { return name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"); }).join("|"); }
  function index(names, text) { return names.findIndex(function (name) { return name.toLowerCase() === text.toLowerCase(); }); }
  function int(field) { return function (out, text) { out[field] = parseInt(text, 10); }; }
  function named(field, names, shift) { return [list(names), function (out, text) { out[field] = index(names, text) + shift; }]; }
  function weekdayNames(names) { return names.slice(1).concat(names[0]); }

  kit.parsers = function (names) {
    var one = "\\d{1,2}", two = "\\d{2}", three = "\\d{3}";
    var signed = function (out, text) { var f = /^([+-])?(\d{1,2}):?(\d{2})?$/.exec(text); out.offset = (f[1] === "-" ? -1 : 1) * (f[2] * 60 + (+f[3] || 0)); };
    var fraction = function (out, text) { out.millisecond = Math.floor(("0." + text) * 1000 + 1e-9); };
    var fromNames = names.monthsAlone ? names.months.concat(names.monthsAlone) : names.months;
    var longMonth = [list(fromNames), function (out, text) { out.month = index(fromNames, text) % 12 + 1; }];
    return {
      S: ["\\d{1,3}", int("millisecond")], SSS: [three, int("millisecond")], u: ["\\d{1,9}", fraction], uu: [one, fraction], uuu: ["\\d", fraction],
      s: [one, int("second")], ss: [two, int("second")], m: [one, int("minute")], mm: [two, int("minute")],
      h: [one, int("hour12")], hh: [two, int("hour12")], H: [one, int("hour")], HH: [two, int("hour")],
      d: [one, int("day")], dd: [two, int("day")], M: [one, int("month")], MM: [two, int("month")], L: [one, int("month")], LL: [two, int("month")],
      MMM: named("month", names.monthsShort, 1), LLL: named("month", names.monthsShort, 1), MMMM: longMonth, LLLL: longMonth,
      y: ["\\d{1,6}", int("year")], yyyy: ["\\d{4}", int("year")], yyyyy: ["\\d{4,6}", int("year")], yyyyyy: ["\\d{6}", int("year")],
      yy: ["\\d{2}(?:\\d{2})?", function (out, text) { var n = parseInt(text, 10); out.year = text.length > 2 ? n : n > 60 ? 1900 + n : 2000 + n; }],
      a: named("meridiem", names.meridiems, 0), G: named("era", names.eras, 0),
      E: ["[1-7]", int("weekday")], c: ["[1-7]", int("weekday")],
      EEE: named("weekday", weekdayNames(names.weekdaysShort), 1), ccc: named("weekday", weekdayNames(names.weekdaysShort), 1),
      EEEE: named("weekday", weekdayNames(names.weekdays), 1), cccc: named("weekday", weekdayNames(names.weekdays), 1),
      kkkk: ["\\d{4}", int("weekYear")], W: [one, int("weekNumber")], WW: [two, int("weekNumber")],
      kk: ["\\d{2}(?:\\d{2})?", function (out, text) { var n = parseInt(text, 10); out.weekYear = text.length > 2 ? n : n > 60 ? 1900 + n : 2000 + n; }],
      o: ["\\d{1,3}", int("ordinal")], ooo: [three, int("ordinal")], q: ["[1-4]", int("quarter")], qq: ["0[1-4]", int("quarter")],
      Z: ["[+-]\\d{1,2}(?::\\d{2})?", signed], ZZ: ["[+-]\\d{1,2}(?::\\d{2})?", signed], ZZZ: ["[+-]\\d{1,2}(?:\\d{2})?", signed],
      z: ["[A-Za-z_+-]+[A-Za-z0-9_+/-]*", function (out, text) { out.zone = text; }],
      X: ["-?\\d{1,}(?:\\.\\d{1,3})?", function (out, text) { out.ts = parseFloat(text) * 1000; }], x: ["-?\\d{1,15}", int("ts")],
    };
  };
})
