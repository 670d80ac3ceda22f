// Interval, the differences between moments, and their words ("in 2 days").
(function (kit) {
  "use strict";
  var DateTime = kit.DateTime, Duration = kit.Duration, CALENDAR = ["years", "quarters", "months", "weeks", "days"];

  function dayNumber(d) { return Math.floor(kit.localTime(d.startOf("day").c) / kit.DAY); }
  function rough(unit, a, b) {
    var years = b.year - a.year;
    if (unit === "years") { return years; }
    if (unit === "quarters") { return b.quarter - a.quarter + years * 4; }
    if (unit === "months") { return b.month - a.month + years * 12; }
    var days = dayNumber(b) - dayNumber(a);
    return unit === "weeks" ? Math.trunc(days / 7) : days;
  }

  function between(earlier, later, units, opts) {
    var counts = {}, cursor = earlier, last = null, above = null;
    for (var unit of CALENDAR) {
      if (!units.includes(unit)) { continue; }
      last = unit;
      counts[unit] = rough(unit, cursor, later);
      above = earlier.plus(counts);
      while (above > later) { counts[unit] -= 1; cursor = above; above = earlier.plus(counts); }
      cursor = earlier.plus(counts);
      above = earlier.plus(Object.assign({}, counts, { [unit]: counts[unit] + 1 }));
    }
    var rest = later - cursor, clock = units.filter(function (unit) { return !CALENDAR.includes(unit); });
    if (clock.length === 0) {
      if (last !== null && above > cursor) { counts[last] += rest / (above - cursor); }
      return Duration.fromObject(counts, opts);
    }
    var small = Duration.fromMillis(rest, opts);
    return Duration.fromObject(counts, opts).plus(small.shiftTo.apply(small, clock));
  }
  kit.diff = function (a, b, units, opts) {
    units = (units === undefined ? ["milliseconds"] : Array.isArray(units) ? units : [units]).map(kit.unit);
    if (!a.isValid || !(b instanceof DateTime) || !b.isValid) { return Duration.invalid("created by diffing an invalid DateTime"); }
    opts = Object.assign({ locale: a.locale }, opts);
    return b > a ? between(a, b, units, opts).negate() : between(b, a, units, opts);
  };

  function moment(value) {
    if (value instanceof DateTime) { return value; }
    if (value instanceof Date) { return DateTime.fromJSDate(value); }
    if (value !== null && typeof value === "object") { return DateTime.fromObject(value); }
    throw new TypeError("Unknown datetime argument: " + value + ", of type " + typeof value);
  }

  class Interval {
    constructor(start, end, why) { Object.defineProperties(this, { s: { value: start, enumerable: true }, e: { value: end, enumerable: true }, _why: { value: why || null } }); }
    static fromDateTimes(start, end) {
      start = moment(start); end = moment(end);
      if (!start.isValid || !end.isValid) { return Interval.invalid("invalid endpoints"); }
      if (end < start) { return Interval.invalid("end before start", "The end of an interval must be after its start, but you had start=" + start.toISO() + " and end=" + end.toISO()); }
      return new Interval(start, end);
    }
    static after(start, duration) { start = moment(start); return Interval.fromDateTimes(start, start.plus(duration)); }
    static before(end, duration) { end = moment(end); return Interval.fromDateTimes(end.minus(duration), end); }
    static fromISO(text, opts) {
      var halves = String(text).split("/", 2);
      if (halves.length === 2 && halves[0] && halves[1]) {
        var start = DateTime.fromISO(halves[0], opts), end = DateTime.fromISO(halves[1], opts);
        if (start.isValid && end.isValid) { return Interval.fromDateTimes(start, end); }
        if (start.isValid && Duration.fromISO(halves[1]).isValid) { return Interval.after(start, Duration.fromISO(halves[1], opts)); }
        if (end.isValid && Duration.fromISO(halves[0]).isValid) { return Interval.before(end, Duration.fromISO(halves[0], opts)); }
      }
      return Interval.invalid("unparsable", "the input \"" + text + "\" can't be parsed as ISO 8601");
    }
    static invalid(reason, explanation) { return new Interval(null, null, { reason: reason, explanation: explanation || null }); }
    static isInterval(value) { return value instanceof Interval; }
    static merge(intervals) {
      var sorted = intervals.slice().sort(function (a, b) { return a.s - b.s; }), out = [];
      for (var each of sorted) {
        var last = out[out.length - 1];
        if (last && (last.overlaps(each) || last.abutsStart(each))) { out[out.length - 1] = last.union(each); } else { out.push(each); }
      }
      return out;
    }
    static xor(intervals) {
      var marks = intervals.flatMap(function (i) { return [{ at: i.s, step: 1 }, { at: i.e, step: -1 }]; }).sort(function (a, b) { return a.at - b.at; });
      var start = null, open = 0, out = [];
      for (var mark of marks) {
        open += mark.step;
        if (open === 1) { start = mark.at; }
        else { if (start && +start !== +mark.at) { out.push(Interval.fromDateTimes(start, mark.at)); } start = null; }
      }
      return Interval.merge(out);
    }
    get isValid() { return this._why === null; }
    get invalidReason() { return this._why && this._why.reason; }
    get invalidExplanation() { return this._why && this._why.explanation; }
    get start() { return this.s; }
    get end() { return this.e; }
    get lastDateTime() { return this.isValid ? this.e.minus(1) : null; }
    length(unit) { return this.isValid ? this.toDuration(unit || "milliseconds").get(unit || "milliseconds") : NaN; }
    count(unit, opts) {
      if (!this.isValid) { return NaN; }
      var first = this.s.startOf(unit || "milliseconds", opts), last = this.e.startOf(unit || "milliseconds", opts);
      return Math.floor(last.diff(first, unit || "milliseconds").get(unit || "milliseconds")) + (this.e.valueOf() !== last.valueOf() ? 1 : 0);
    }
    hasSame(unit) { return this.isValid && (this.isEmpty() || this.e.minus(1).hasSame(this.s, unit)); }
    isEmpty() { return this.s.valueOf() === this.e.valueOf(); }
    isAfter(moment) { return this.isValid && this.s > moment; }
    isBefore(moment) { return this.isValid && this.e <= moment; }
    contains(moment) { return this.isValid && this.s <= moment && this.e > moment; }
    set(ends) { ends = ends || {}; return this.isValid ? Interval.fromDateTimes(ends.start || this.s, ends.end || this.e) : this; }
    splitAt() {
      if (!this.isValid) { return []; }
      var points = Array.from(arguments).flat().map(moment).filter(this.contains, this).sort(function (a, b) { return a - b; }), out = [], from = this.s;
      for (var point of points.concat(this.e)) { if (+point > +from) { out.push(Interval.fromDateTimes(from, point)); from = point; } }
      return out;
    }
    splitBy(duration) {
      var step = Duration.fromDurationLike(duration), out = [], from = this.s, n = 1;
      if (!this.isValid || !step.isValid || step.toMillis() <= 0) { return []; }
      while (from < this.e) {
        var count = n++, next = this.s.plus(step.mapUnits(function (value) { return value * count; }));
        next = next > this.e ? this.e : next;
        out.push(Interval.fromDateTimes(from, next));
        from = next;
      }
      return out;
    }
    divideEqually(parts) { return this.isValid ? this.splitBy(this.length() / parts).slice(0, parts) : []; }
    overlaps(other) { return this.e > other.s && this.s < other.e; }
    abutsStart(other) { return this.isValid && +this.e === +other.s; }
    abutsEnd(other) { return this.isValid && +other.e === +this.s; }
    engulfs(other) { return this.isValid && this.s <= other.s && this.e >= other.e; }
    equals(other) { return this.isValid && other.isValid && this.s.equals(other.s) && this.e.equals(other.e); }
    intersection(other) {
      if (!this.isValid) { return this; }
      var start = this.s > other.s ? this.s : other.s, end = this.e < other.e ? this.e : other.e;
      return start >= end ? null : Interval.fromDateTimes(start, end);
    }
    union(other) { return this.isValid ? Interval.fromDateTimes(this.s < other.s ? this.s : other.s, this.e > other.e ? this.e : other.e) : this; }
    difference() {
      return Interval.xor([this].concat(Array.from(arguments))).map(function (i) { return this.intersection(i); }, this).filter(function (i) { return i && !i.isEmpty(); });
    }
    toDuration(unit, opts) { return this.isValid ? this.e.diff(this.s, unit, opts) : Duration.invalid(this.invalidReason); }
    mapEndpoints(change) { return Interval.fromDateTimes(change(this.s), change(this.e)); }
    toISO(opts) { return this._both(function (d) { return d.toISO(opts); }); }
    toISODate() { return this._both(function (d) { return d.toISODate(); }); }
    toISOTime(opts) { return this._both(function (d) { return d.toISOTime(opts); }); }
    toFormat(format, opts) { return this._both(function (d) { return d.toFormat(format); }, opts && opts.separator || " – "); }
    toLocaleString(format, opts) { return this._both(function (d) { return d.toLocaleString(format, opts); }, " – "); }
    toString() { return this.isValid ? "[" + this.s.toISO() + " – " + this.e.toISO() + ")" : "Invalid Interval"; }
    toJSON() { return this.isValid ? this.toISO() : null; }
    _both(write, separator) { return this.isValid ? write(this.s) + (separator || "/") + write(this.e) : "Invalid Interval"; }
  }
  kit.Interval = Interval;

  function isEnglish(d, opts) { return /^en\b/i.test(opts.locale || d.locale); }
  // The words of another locale than English.
  function localWords(d, opts, numeric, count, unit) {
    if (!kit.RelativeTimeFormat) { throw new RangeError("toRelative in another locale than English, " + JSON.stringify(opts.locale || d.locale) + ", needs the word setLocale or locale in the same expression."); }
    return new kit.RelativeTimeFormat(opts.locale || d.locale, { numeric: numeric, style: opts.style || "long" }).format(count, unit);
  }
  function words(count, unit) {
    var size = Math.abs(count), text = String(Math.round(size * 1000) / 1000).replace(/\B(?=(\d{3})+(?!\d))/g, ",") + " " + unit.slice(0, -1) + (size === 1 ? "" : "s");
    return count < 0 || Object.is(count, -0) ? text + " ago" : "in " + text;
  }
  kit.relative = function (d, opts) {
    if (!d.isValid) { return null; }
    var base = opts.base || DateTime.now().setZone(d.zone), units = ["years", "months", "days", "hours", "minutes", "seconds"];
    if (opts.padding) { d = d.plus(d < base ? -opts.padding : opts.padding); }
    if (opts.unit) { units = (Array.isArray(opts.unit) ? opts.unit : [opts.unit]).map(kit.unit); }
    for (var n = 0; n < units.length; n++) {
      var exact = d.diff(base, units[n]).get(units[n]), count = opts.round === false ? exact : Math.trunc(exact);
      if (Math.abs(count) >= 1 || n === units.length - 1) {
        var signed = d < base && count === 0 ? -0 : count;
        return isEnglish(d, opts) ? words(signed, units[n]) : localWords(d, opts, "always", signed, units[n]);
      }
    }
  };
  kit.relativeCalendar = function (d, opts) {
    if (!d.isValid) { return null; }
    var base = opts.base || DateTime.now().setZone(d.zone), units = opts.unit ? [kit.unit(opts.unit)] : ["years", "months", "days"];
    for (var n = 0; n < units.length; n++) {
      var count = rough(units[n], base, d);
      if (count !== 0 || n === units.length - 1) {
        var name = units[n].slice(0, -1);
        if (!isEnglish(d, opts)) { return localWords(d, opts, "auto", count, units[n]); }
        if (name === "day" && Math.abs(count) <= 1) { return ["yesterday", "today", "tomorrow"][count + 1]; }
        if (Math.abs(count) <= 1) { return ["last ", "this ", "next "][count + 1] + name; }
        return words(count, units[n]);
      }
    }
  };
})
