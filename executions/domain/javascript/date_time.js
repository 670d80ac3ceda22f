// DateTime: a moment in a time zone, as Luxon defines it.
(function (kit) {
  "use strict";
  var DAY = 86400000, LARGEST = 8.64e15;
  var FIELDS = ["year", "month", "day", "hour", "minute", "second", "millisecond"];

  function make(ts, zone, locale, offset, why) {
    var d = Object.create(DateTime.prototype);
    zone = zone || kit.defaultZone;
    if (!why && !zone.isValid) { why = { reason: "unsupported zone", explanation: "the zone \"" + zone.name + "\" is not supported" }; }
    if (!why && !(Math.abs(ts) <= LARGEST)) { why = { reason: "invalid input", explanation: null }; }
    Object.defineProperties(d, {
      _ts: { value: ts }, _z: { value: zone }, _l: { value: locale || kit.defaultLocale }, _why: { value: why || null },
      _o: { value: why ? NaN : offset === undefined ? zone.offset(ts) : offset },
    });
    if (!why) { Object.defineProperty(d, "c", { value: kit.parts(ts + d._o * 60000), configurable: true }); }
    return d;
  }
  function invalid(reason, explanation) { return make(NaN, kit.defaultZone, null, NaN, { reason: reason, explanation: explanation || null }); }
  function like(d, ts, offset) { return d.isValid ? make(ts, d._z, d._l, offset) : d; }
  function options(given) { return given && typeof given === "object" ? given : {}; }
  function invalidZone(zone) { return invalid("unsupported zone", "the zone \"" + zone.name + "\" is not supported"); }

  // Makes a DateTime of fields that were read: `offset` or `zone` say where they hold, else `opts.zone`.
  function fromRead(fields, text, what, opts) {
    opts = options(opts);
    if (!fields) { return invalid("unparsable", "the input \"" + text + "\" can't be parsed as " + what); }
    var shown = kit.zone(opts.zone), held = shown;
    if (!shown.isValid) { return invalidZone(shown); }
    if (fields.ts !== undefined) { return make(fields.ts, shown, opts.locale); }
    if (fields.zone !== undefined) { held = kit.zone(fields.zone); }
    if (fields.offset !== undefined) { held = kit.zone(fields.offset); }
    var plain = Object.assign({}, fields);
    delete plain.zone; delete plain.offset; delete plain.today;
    var made = DateTime.fromObject(plain, { zone: held, locale: opts.locale });
    if (!made.isValid) { return made; }
    return opts.setZone ? (fields.zone !== undefined ? made.setZone(fields.zone) : made) : made.setZone(shown);
  }

  class DateTime {
    constructor() { throw new TypeError("Use DateTime.now(), DateTime.fromISO(…) or another function that makes a DateTime."); }
    static now() { return make(Date.now()); }
    static local() { return local(Array.from(arguments), undefined); }
    static utc() { return local(Array.from(arguments), kit.UTC); }
    static fromMillis(ms, opts) {
      if (typeof ms !== "number" || !Number.isFinite(ms)) { throw new TypeError("fromMillis requires a numerical input, but received a " + typeof ms + " with value " + ms); }
      return make(Math.trunc(ms), kit.zone(options(opts).zone), options(opts).locale);
    }
    static fromSeconds(seconds, opts) {
      if (typeof seconds !== "number" || !Number.isFinite(seconds)) { throw new TypeError("fromSeconds requires a numerical input"); }
      return DateTime.fromMillis(seconds * 1000, opts);
    }
    static fromJSDate(date, opts) {
      var ts = date instanceof Date ? date.getTime() : NaN;
      return Number.isNaN(ts) ? invalid("invalid input") : make(ts, kit.zone(options(opts).zone), options(opts).locale);
    }
    static fromObject(given, opts) {
      var zone = kit.zone(options(opts).zone), fields = kit.fields(given || {});
      if (!zone.isValid) { return invalidZone(zone); }
      var now = make(Date.now(), zone).c, weeks = fields.weekYear !== undefined || fields.weekNumber !== undefined;
      if (weeks && (fields.ordinal !== undefined || fields.month !== undefined || fields.day !== undefined)) { throw new Error("Can't mix weekYear/weekNumber units with year/month/day or ordinals"); }
      if (fields.ordinal !== undefined && (fields.month !== undefined || fields.day !== undefined)) { throw new Error("Can't mix ordinal dates with month/day"); }
      if (weeks || (fields.weekday !== undefined && fields.year === undefined && fields.month === undefined && fields.day === undefined)) {
        return ofParts(fields, zone, opts, defaults(fields, kit.week(now), ["weekYear", "weekNumber", "weekday"], { weekNumber: 1, weekday: 1 }), kit.ofWeek);
      }
      if (fields.ordinal !== undefined) {
        return ofParts(fields, zone, opts, { year: fields.year === undefined ? now.year : fields.year, ordinal: fields.ordinal }, function (c) { return kit.ofOrdinal(c.year, c.ordinal); });
      }
      var made = ofParts(fields, zone, opts, defaults(fields, now, ["year", "month", "day"], { month: 1, day: 1 }), null);
      if (made.isValid && fields.weekday !== undefined && made.weekday !== fields.weekday) {
        return invalid("mismatched weekday", "you can't specify both a weekday of " + fields.weekday + " and a date of " + made.toISO());
      }
      return made;
    }
    static fromISO(text, opts) { return fromRead(kit.readISO(text), text, "ISO 8601", opts); }
    static fromSQL(text, opts) { return fromRead(kit.readSQL(text), text, "SQL", opts); }
    static fromRFC2822(text, opts) { return fromRead(kit.readRFC2822(text), text, "RFC 2822", opts); }
    static fromHTTP(text, opts) { return fromRead(kit.readHTTP(text), text, "HTTP", opts); }
    static fromFormat(text, format, opts) {
      if (text === undefined || format === undefined) { throw new TypeError("fromFormat requires an input string and a format"); }
      var read = kit.readFormat(text, format, options(opts).locale || kit.defaultLocale);
      return read.why ? invalid("unparsable", read.why) : fromRead(read.fields, text, format, opts);
    }
    static fromString(text, format, opts) { return DateTime.fromFormat(text, format, opts); }
    static invalid(reason, explanation) { return invalid(reason, explanation); }
    static isDateTime(value) { return value instanceof DateTime; }
    static min() { return extreme(arguments, function (a, b) { return a < b; }); }
    static max() { return extreme(arguments, function (a, b) { return a > b; }); }

    get isValid() { return this._why === null; }
    get invalidReason() { return this._why && this._why.reason; }
    get invalidExplanation() { return this._why && this._why.explanation; }
    get ts() { return this._ts; }
    get zone() { return this._z; }
    get zoneName() { return this.isValid ? this._z.name : null; }
    get locale() { return this._l; }
    get quarter() { return this.isValid ? Math.ceil(this.c.month / 3) : NaN; }
    get weekYear() { return this.isValid ? kit.week(this.c).weekYear : NaN; }
    get weekNumber() { return this.isValid ? kit.week(this.c).weekNumber : NaN; }
    get weekday() { return this.isValid ? kit.weekday(this.c) : NaN; }
    get isWeekend() { return this.isValid && this.weekday > 5; }
    get localWeekday() { return localWeek(this).weekday; }
    get localWeekNumber() { return localWeek(this).weekNumber; }
    get localWeekYear() { return localWeek(this).weekYear; }
    get ordinal() { return this.isValid ? kit.ordinal(this.c) : NaN; }
    get monthShort() { return this.isValid ? kit.format(this, "MMM") : null; }
    get monthLong() { return this.isValid ? kit.format(this, "LLLL") : null; }
    get weekdayShort() { return this.isValid ? kit.format(this, "EEE") : null; }
    get weekdayLong() { return this.isValid ? kit.format(this, "EEEE") : null; }
    get offset() { return this.isValid ? this._o : NaN; }
    get offsetNameShort() { return this.isValid ? kit.offsetName(this, "short") : null; }
    get offsetNameLong() { return this.isValid ? kit.offsetName(this, "long") : null; }
    get isOffsetFixed() { return this.isValid ? this._z.isUniversal : null; }
    get isInDST() {
      if (!this.isValid || this.isOffsetFixed) { return false; }
      return this._o > this.set({ month: 1, day: 1 }).offset || this._o > this.set({ month: 5 }).offset;
    }
    get isInLeapYear() { return kit.isLeap(this.year); }
    get daysInMonth() { return this.isValid ? kit.daysInMonth(this.c.year, this.c.month) : NaN; }
    get daysInYear() { return this.isValid ? (this.isInLeapYear ? 366 : 365) : NaN; }
    get weeksInWeekYear() { return this.isValid ? kit.weeksInYear(this.weekYear) : NaN; }
    get(unit) { return this[unit]; }

    toUTC(offset, opts) { return this.setZone(kit.zone(offset || 0), opts); }
    toLocal() { return this.setZone(kit.defaultZone); }
    setZone(given, opts) {
      var zone = kit.zone(given), keep = options(opts).keepLocalTime || options(opts).keepCalendarTime;
      if (!this.isValid || zone.equals(this._z)) { return this; }
      if (!zone.isValid) { return invalidZone(zone); }
      if (!keep) { return make(this._ts, zone, this._l); }
      var found = kit.fromLocal(kit.localTime(this.c), zone.offset(this._ts), zone);
      return make(found[0], zone, this._l, found[1]);
    }
    setLocale(locale) { return this.reconfigure({ locale: locale }); }
    reconfigure(opts) {
      opts = options(opts);
      if (opts.locale) { kit.localeOf(opts.locale); }
      return this.isValid ? make(this._ts, this._z, opts.locale || this._l, this._o) : this;
    }
    set(given) {
      if (!this.isValid) { return this; }
      var fields = kit.fields(given), c;
      if (fields.weekYear !== undefined || fields.weekNumber !== undefined || fields.weekday !== undefined) {
        if (fields.ordinal !== undefined || fields.month !== undefined || fields.day !== undefined) { throw new Error("Can't mix weekYear/weekNumber units with year/month/day or ordinals"); }
        var week = Object.assign(kit.week(this.c), fields);
        c = Object.assign({}, this.c, fields, kit.ofWeek(week));
      } else if (fields.ordinal !== undefined) {
        if (fields.month !== undefined || fields.day !== undefined) { throw new Error("Can't mix ordinal dates with month/day"); }
        c = Object.assign({}, this.c, fields);
        Object.assign(c, kit.ofOrdinal(c.year, fields.ordinal));
      } else {
        if (fields.quarter !== undefined && fields.month === undefined) { fields.month = (this.c.month - 1) % 3 + 1 + (fields.quarter - 1) * 3; }
        c = Object.assign({}, this.c, fields);
        if (fields.day === undefined) { c.day = Math.min(kit.daysInMonth(c.year, c.month), c.day); }
      }
      var found = kit.fromLocal(kit.localTime(c), this._o, this._z);
      return like(this, found[0], found[1]);
    }
    plus(amount, unit) { return shift(this, amount, unit, 1); }
    minus(amount, unit) { return shift(this, amount, unit, -1); }
    startOf(unit, opts) {
      if (!this.isValid) { return this; }
      var name = kit.unit(unit), at = kit.UNITS.indexOf(name), fields = {};
      if (name === "years") { fields.month = 1; }
      if (at <= 2) { fields.day = 1; }
      if (at <= 4) { fields.hour = 0; }
      if (at <= 5) { fields.minute = 0; }
      if (at <= 6) { fields.second = 0; }
      if (at <= 7) { fields.millisecond = 0; }
      if (name === "weeks") {
        var back = options(opts).useLocaleWeeks ? this.localWeekday - 1 : this.weekday - 1;
        var monday = this.minus({ days: back });
        return monday.set(fields);
      }
      if (name === "quarters") { fields.month = (this.quarter - 1) * 3 + 1; }
      return this.set(fields);
    }
    endOf(unit, opts) {
      if (!this.isValid) { return this; }
      return this.plus({ [kit.unit(unit)]: 1 }).startOf(unit, opts).minus({ milliseconds: 1 });
    }

    toFormat(format, opts) {
      if (!this.isValid) { return "Invalid DateTime"; }
      return kit.format(options(opts).locale ? this.setLocale(opts.locale) : this, format);
    }
    toLocaleString(formatOptions, opts) {
      if (!this.isValid) { return "Invalid DateTime"; }
      var d = options(opts).locale ? this.setLocale(opts.locale) : this;
      return kit.localized(d, formatOptions === undefined ? kit.macroOptions("D") : formatOptions);
    }
    toISO(opts) {
      if (!this.isValid) { return null; }
      opts = Object.assign({ format: "extended", suppressSeconds: false, suppressMilliseconds: false, includeOffset: true, extendedZone: false }, opts);
      return this.toISODate(opts) + "T" + clockText(this, opts);
    }
    toISODate(opts) {
      if (!this.isValid) { return null; }
      var c = this.c, long = c.year > 9999 || c.year < 0, dash = options(opts).format === "basic" ? "" : "-";
      return (long ? (c.year < 0 ? "-" : "+") : "") + kit.padded(c.year, long ? 6 : 4) + dash + kit.padded(c.month, 2) + dash + kit.padded(c.day, 2);
    }
    toISOWeekDate() { return this.isValid ? kit.format(this, "kkkk-'W'WW-c") : null; }
    toISOTime(opts) {
      if (!this.isValid) { return null; }
      opts = Object.assign({ format: "extended", includePrefix: false, includeOffset: true }, opts);
      return (opts.includePrefix ? "T" : "") + clockText(this, opts);
    }
    toRFC2822() { return this.isValid ? kit.format(make(this._ts, this._z, "en-US", this._o), "EEE, dd LLL yyyy HH:mm:ss ZZZ") : null; }
    toHTTP() { return this.isValid ? kit.format(make(this._ts, kit.UTC, "en-US"), "EEE, dd LLL yyyy HH:mm:ss 'GMT'") : null; }
    toSQLDate() { return this.isValid ? this.toISODate() : null; }
    toSQLTime(opts) {
      opts = Object.assign({ includeOffset: true, includeZone: false, includeOffsetSpace: true }, opts);
      if (!this.isValid) { return null; }
      var after = opts.includeZone ? this.zoneName : opts.includeOffset ? kit.offsetText(this._o, "short") : "";
      return kit.format(this, "HH:mm:ss.SSS") + (after && opts.includeOffsetSpace ? " " : "") + after;
    }
    toSQL(opts) { return this.isValid ? this.toSQLDate() + " " + this.toSQLTime(opts) : null; }
    toString() { return this.isValid ? this.toISO() : "Invalid DateTime"; }
    toJSON() { return this.toISO(); }
    toBSON() { return this.toJSDate(); }
    toJSDate() { return new Date(this.isValid ? this._ts : NaN); }
    toMillis() { return this.isValid ? this._ts : NaN; }
    toSeconds() { return this.isValid ? this._ts / 1000 : NaN; }
    toUnixInteger() { return this.isValid ? Math.floor(this._ts / 1000) : NaN; }
    valueOf() { return this.toMillis(); }
    toObject(opts) {
      if (!this.isValid) { return {}; }
      return Object.assign({}, this.c, options(opts).includeConfig ? { outputCalendar: null, numberingSystem: null, locale: this._l } : {});
    }

    diff(other, units, opts) { return kit.diff(this, other, units, opts); }
    diffNow(units, opts) { return this.diff(DateTime.now(), units, opts); }
    until(other) { return this.isValid ? kit.Interval.fromDateTimes(this, other) : this; }
    hasSame(other, unit, opts) {
      if (!this.isValid) { return false; }
      var ts = other.valueOf(), here = this.setZone(other.zone, { keepLocalTime: true });
      return here.startOf(unit, opts) <= ts && ts <= here.endOf(unit, opts);
    }
    equals(other) { return this.isValid && other instanceof DateTime && other.isValid && this._ts === other._ts && this._z.equals(other._z) && this._l === other._l; }
    toRelative(opts) { return kit.relative(this, options(opts)); }
    toRelativeCalendar(opts) { return kit.relativeCalendar(this, options(opts)); }
    [Symbol.toPrimitive](hint) { return hint === "string" ? this.toString() : this.valueOf(); }
  }
  FIELDS.forEach(function (field) {
    Object.defineProperty(DateTime.prototype, field, { get: function () { return this.isValid ? this.c[field] : NaN; }, configurable: true });
  });
  var D = { day: "numeric", year: "numeric" };
  [["DATE_SHORT", "D"], ["DATE_MED", "DD"], ["DATE_FULL", "DDD"], ["DATE_HUGE", "DDDD"], ["TIME_SIMPLE", "t"], ["TIME_WITH_SECONDS", "tt"],
    ["TIME_WITH_SHORT_OFFSET", "ttt"], ["TIME_WITH_LONG_OFFSET", "tttt"], ["TIME_24_SIMPLE", "T"], ["TIME_24_WITH_SECONDS", "TT"],
    ["TIME_24_WITH_SHORT_OFFSET", "TTT"], ["TIME_24_WITH_LONG_OFFSET", "TTTT"], ["DATETIME_SHORT", "f"], ["DATETIME_MED", "ff"],
    ["DATETIME_FULL", "fff"], ["DATETIME_HUGE", "ffff"], ["DATETIME_SHORT_WITH_SECONDS", "F"], ["DATETIME_MED_WITH_SECONDS", "FF"],
    ["DATETIME_FULL_WITH_SECONDS", "FFF"], ["DATETIME_HUGE_WITH_SECONDS", "FFFF"]].forEach(function (entry) {
    Object.defineProperty(DateTime, entry[0], { get: function () { return kit.macroOptions(entry[1]); } });
  });
  Object.defineProperty(DateTime, "DATE_MED_WITH_WEEKDAY", { get: function () { return Object.assign({ month: "short", weekday: "short" }, D); } });

  function clockText(d, opts) {
    var p = kit.padded, c = d.c, colon = opts.format === "basic" ? "" : ":", text = p(c.hour, 2) + colon + p(c.minute, 2);
    if (c.second || c.millisecond || !opts.suppressSeconds) {
      text += colon + p(c.second, 2);
      if (c.millisecond || !opts.suppressMilliseconds) { text += "." + p(c.millisecond, 3); }
    }
    if (opts.includeOffset !== false) {
      text += d._o === 0 && d.isOffsetFixed && !opts.extendedZone ? "Z" : kit.offsetText(Math.trunc(d._o), opts.format === "basic" ? "techie" : "short");
    }
    return text + (opts.extendedZone ? "[" + d.zoneName + "]" : "");
  }
  function local(args, zone) {
    var opts = args.length && args[args.length - 1] !== null && typeof args[args.length - 1] === "object" ? args.pop() : {};
    zone = zone || kit.zone(opts.zone);
    if (args.length === 0 || args[0] === undefined) { return make(Date.now(), zone, opts.locale); }
    var fields = {};
    FIELDS.forEach(function (field, n) { if (args[n] !== undefined) { fields[field] = args[n]; } });
    return DateTime.fromObject(fields, { zone: zone, locale: opts.locale });
  }
  // What is missing before the first field that is given comes from now, what is missing after it is the least.
  function defaults(fields, now, names, least) {
    var out = {}, found = names.every(function (name) { return fields[name] === undefined; }) ? null : false;
    for (var name of names) {
      if (fields[name] !== undefined) { found = true; out[name] = fields[name]; }
      else { out[name] = found === true ? least[name] : now[name]; }
    }
    if (found === null && ["hour", "minute", "second", "millisecond"].every(function (name) { return fields[name] === undefined; })) { out.wholeNow = true; }
    return out;
  }
  function ofParts(fields, zone, opts, date, convert) {
    if (date.wholeNow) { return make(Date.now(), zone, options(opts).locale); }
    var why = kit.outOfRange(date), clock = {};
    ["hour", "minute", "second", "millisecond"].forEach(function (name) { clock[name] = fields[name] === undefined ? 0 : fields[name]; });
    why = why || kit.outOfRange(clock);
    if (why) { return invalid("unit out of range", why); }
    var c = Object.assign({}, convert ? convert(date) : date, clock), found = kit.firstOf(kit.localTime(c), zone);
    return make(found[0], zone, options(opts).locale, found[1]);
  }
  function extreme(given, better) {
    var list = Array.from(given).flat();
    if (!list.every(DateTime.isDateTime)) { throw new TypeError("min and max require all arguments be DateTimes"); }
    return list.length ? list.reduce(function (best, d) { return better(d.valueOf(), best.valueOf()) ? d : best; }) : undefined;
  }
  function shift(d, amount, unit, sign) {
    if (!d.isValid) { return d; }
    if (typeof amount === "string" && amount.trim() !== "" && Number.isFinite(Number(amount))) { amount = Number(amount); }
    var given = typeof amount === "number" && unit !== undefined ? kit.Duration.fromObject({ [kit.unit(unit)]: amount }) : kit.Duration.fromDurationLike(amount);
    if (!given.isValid) { return invalid("invalid Duration", given.invalidExplanation); }
    var v = {}, rest = {};
    for (var name of kit.UNITS) { v[name] = sign * (given.values[name] || 0); }
    var year = d.c.year + Math.trunc(v.years), month = d.c.month + Math.trunc(v.months) + Math.trunc(v.quarters) * 3;
    var c = Object.assign({}, d.c, { year: year, month: month });
    c.day = Math.min(d.c.day, kit.daysInMonth(year, month)) + Math.trunc(v.days) + Math.trunc(v.weeks) * 7;
    for (name of kit.UNITS) { rest[name] = kit.UNITS.indexOf(name) < 5 ? v[name] - Math.trunc(v[name]) : v[name]; }
    var found = kit.fromLocal(kit.localTime(c), d._o, d._z), more = kit.millis(rest, kit.CASUAL);
    return more === 0 ? like(d, found[0], found[1]) : like(d, found[0] + more);
  }
  function localWeek(d) {
    if (!d.isValid) { return { weekYear: NaN, weekNumber: NaN, weekday: NaN }; }
    var rule = kit.weekRule(d._l), weekday = (d.weekday - rule[0] + 7) % 7 + 1, ordinal = kit.ordinal(d.c), year = d.c.year;
    function first(y) {  // the ordinal of the first day of week 1
      var start = (kit.weekday({ year: y, month: 1, day: 1 }) - rule[0] + 7) % 7;
      return 7 - start >= rule[1] ? 1 - start : 8 - start;
    }
    if (ordinal < first(year)) { year -= 1; ordinal += kit.isLeap(year) ? 366 : 365; }
    else if (ordinal - (kit.isLeap(year) ? 366 : 365) >= first(year + 1)) { ordinal -= kit.isLeap(year) ? 366 : 365; year += 1; }
    return { weekYear: year, weekNumber: Math.floor((ordinal - first(year)) / 7) + 1, weekday: weekday };
  }
  kit.weekRule = kit.weekRule || function (tag) { return /^en(-US)?$/i.test(tag) ? [7, 1] : [1, 4]; };
  kit.make = make;
  kit.invalidDateTime = invalid;
  kit.DAY = DAY;
  kit.DateTime = DateTime;
})
