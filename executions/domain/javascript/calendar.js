// The calendar: days of months, ISO weeks, and the units that dates and durations share.
(function (kit) {
  "use strict";
  var UNITS = ["years", "quarters", "months", "weeks", "days", "hours", "minutes", "seconds", "milliseconds"];
  var SINGULAR = {
    year: "years", quarter: "quarters", month: "months", week: "weeks", day: "days", hour: "hours", minute: "minutes",
    second: "seconds", millisecond: "milliseconds",
  };
  var SHORT = { y: "years", q: "quarters", w: "weeks", d: "days", h: "hours", s: "seconds", ms: "milliseconds", m: "minutes",
    hr: "hours", hrs: "hours", min: "minutes", mins: "minutes", sec: "seconds", secs: "seconds" };
  kit.UNITS = UNITS;
  kit.unit = function (name) {
    var lower = String(name).toLowerCase(), unit = SINGULAR[lower] || (UNITS.includes(lower) ? lower : null);
    if (name === "M") { unit = "months"; }
    unit = unit || SHORT[lower];
    if (!unit) { throw new RangeError("Invalid unit " + name); }
    return unit;
  };
  kit.MS = { weeks: 604800000, days: 86400000, hours: 3600000, minutes: 60000, seconds: 1000, milliseconds: 1 };

  kit.floorDiv = function (a, b) { return Math.floor(a / b); };
  kit.daysInMonth = function (year, month) {
    var index = ((month - 1) % 12 + 12) % 12, shifted = year + (month - 1 - index) / 12;
    return index === 1 ? (kit.isLeap(shifted) ? 29 : 28) : [31, 0, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][index];
  };
  kit.isLeap = function (year) { return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0); };
  kit.localTime = function (c) {
    var time = Date.UTC(2000, c.month - 1, c.day, c.hour, c.minute, c.second, c.millisecond);
    if (c.year === 2000) { return time; }
    var date = new Date(0);  // Date.UTC takes the years 0 to 99 as 1900 to 1999
    date.setUTCFullYear(c.year, c.month - 1, c.day);
    date.setUTCHours(c.hour, c.minute, c.second, c.millisecond);
    return date.getTime();
  };
  kit.parts = function (local) {
    var d = new Date(local);
    return {
      year: d.getUTCFullYear(), month: d.getUTCMonth() + 1, day: d.getUTCDate(), hour: d.getUTCHours(),
      minute: d.getUTCMinutes(), second: d.getUTCSeconds(), millisecond: d.getUTCMilliseconds(),
    };
  };
  kit.weekday = function (c) { return (new Date(kit.localTime(dayOf(c))).getUTCDay() + 6) % 7 + 1; };
  function dayOf(c) { return { year: c.year, month: c.month, day: c.day, hour: 0, minute: 0, second: 0, millisecond: 0 }; }
  kit.ordinal = function (c) {
    return Math.round((kit.localTime(dayOf(c)) - kit.localTime(dayOf({ year: c.year, month: 1, day: 1 }))) / 86400000) + 1;
  };
  kit.weeksInYear = function (year) {
    var first = kit.weekday({ year: year, month: 1, day: 1 });
    return first === 4 || (first === 3 && kit.isLeap(year)) ? 53 : 52;
  };
  kit.week = function (c) {
    var weekday = kit.weekday(c), number = Math.floor((kit.ordinal(c) - weekday + 10) / 7), year = c.year;
    if (number < 1) { year -= 1; number = kit.weeksInYear(year); }
    else if (number > kit.weeksInYear(year)) { year += 1; number = 1; }
    return { weekYear: year, weekNumber: number, weekday: weekday };
  };
  // The date of a day of an ISO week.
  kit.ofWeek = function (w) {
    var fourth = kit.weekday({ year: w.weekYear, month: 1, day: 4 });
    return kit.ofOrdinal(w.weekYear, w.weekNumber * 7 + w.weekday - (fourth + 3));
  };
  kit.ofOrdinal = function (year, ordinal) {
    var c = kit.parts(kit.localTime(dayOf({ year: year, month: 1, day: 1 })) + (ordinal - 1) * 86400000);
    return { year: c.year, month: c.month, day: c.day };
  };

  var FIELDS = {
    year: "year", years: "year", month: "month", months: "month", day: "day", days: "day", hour: "hour", hours: "hour",
    minute: "minute", minutes: "minute", second: "second", seconds: "second", millisecond: "millisecond",
    milliseconds: "millisecond", quarter: "quarter", quarters: "quarter", weekday: "weekday", weekdays: "weekday",
    weeknumber: "weekNumber", weeksnumber: "weekNumber", weekyear: "weekYear", weekyears: "weekYear", ordinal: "ordinal",
  };
  kit.fields = function (given) {
    var out = {};
    for (var key of Object.keys(given)) {
      if (given[key] === undefined || given[key] === null || ["zone", "locale", "numberingSystem", "outputCalendar"].includes(key)) { continue; }
      var field = FIELDS[key.toLowerCase()], value = Number(given[key]);
      if (!field) { throw new RangeError("Invalid unit " + key); }
      if (typeof given[key] === "boolean" || given[key] === "" || !Number.isFinite(value)) {
        throw new RangeError("Invalid unit value " + given[key]);
      }
      out[field] = value;
    }
    return out;
  };
  var RANGES = { month: [1, 12], hour: [0, 23], minute: [0, 59], second: [0, 59], millisecond: [0, 999], weekday: [1, 7] };
  // Returns why fields are no date, or null.
  kit.outOfRange = function (c) {
    for (var field of Object.keys(c)) {
      var value = c[field], range = RANGES[field];
      if (field === "day") { range = [1, kit.daysInMonth(c.year, c.month || 1)]; }
      if (field === "ordinal") { range = [1, kit.isLeap(c.year) ? 366 : 365]; }
      if (field === "weekNumber") { range = [1, kit.weeksInYear(c.weekYear)]; }
      if (field === "hour" && value === 24 && !c.minute && !c.second && !c.millisecond) { continue; }
      if (!Number.isInteger(value) || (range && (value < range[0] || value > range[1]))) {
        return "you specified " + value + " (of type number) as a " + field + ", which is invalid";
      }
    }
    return null;
  };
})
