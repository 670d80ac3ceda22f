// Extension methods of dates: of DateTime, of Date, and of text and numbers that mean one.
(function (kit) {
  "use strict";
  var date = kit.methods.date, DateTime = kit.DateTime;

  function moment(value) {
    if (value instanceof DateTime) { return value; }
    return value instanceof Date ? DateTime.fromJSDate(value) : parsed(String(value));
  }
  // A result has the type of the value.
  function like(value, result) { return value instanceof DateTime ? result : result.toJSDate(); }
  function parsed(text) {
    for (var read of [DateTime.fromISO, DateTime.fromHTTP, DateTime.fromRFC2822, DateTime.fromSQL]) {
      var found = read(text.trim(), { setZone: true });
      if (found.isValid) { return found; }
    }
    if (/^-?\d{9,}$/.test(text.trim())) { return DateTime.fromMillis(Number(text)); }
    throw new TypeError("the text " + JSON.stringify(text.slice(0, 100)) + " is not a date; DateTime.fromFormat() reads other formats");
  }
  function ofNumber(value, format) {
    switch (format === undefined ? "ms" : format) {
      case "ms": return DateTime.fromMillis(value);
      case "s": return DateTime.fromSeconds(value);
      case "us": return DateTime.fromMillis(value / 1000);
      case "excel": return DateTime.fromSeconds((value - 25569) * 86400);
    }
    throw new RangeError("toDateTime() reads ms, s, us and excel, not " + JSON.stringify(format));
  }
  date.toDateTime = moment;
  kit.methods.number.toDateTime = ofNumber;
  kit.methods.text.toDateTime = function (text, format) {
    if (["ms", "s", "us", "excel"].includes(format)) { return ofNumber(Number(text), format); }
    if (!format) { return parsed(text); }
    return DateTime.fromFormat(text, format);
  };
  kit.methods.text.toDate = function (text) {
    var made = new Date(text);
    if (Number.isNaN(made.getTime())) { throw new TypeError("the text " + JSON.stringify(text.slice(0, 100)) + " is not a date"); }
    return made;
  };

  var unit = kit.unit;
  function shifted(value, amount, name, sign) {
    var by = name === undefined ? amount : { [unit(name)]: amount };
    return like(value, sign > 0 ? moment(value).plus(by) : moment(value).minus(by));
  }
  date.plus = function (value, amount, name) { return shifted(value, amount, name, 1); };
  date.minus = function (value, amount, name) { return shifted(value, amount, name, -1); };
  date.beginningOf = function (value, name) { return like(value, moment(value).startOf(unit(name === undefined ? "week" : name))); };
  date.endOfMonth = function (value) { return like(value, moment(value).endOf("month")); };
  date.format = function (value, format, options) { return moment(value).toFormat(format === undefined ? "yyyy-MM-dd" : format, options); };
  date.extract = function (value, part) {
    var name = part === undefined ? "week" : part;
    if (name === "week" || name === "weeks") { name = "weekNumber"; }
    if (name === "yearDayNumber") { name = "ordinal"; }
    var found = moment(value).get(/^(weekNumber|weekday|ordinal)$/.test(name) ? name : unit(name).replace(/s$/, ""));
    if (found === undefined) { throw new RangeError("extract() knows no part " + JSON.stringify(part)); }
    return found;
  };
  date.isBetween = date.inBetween = function (value, one, other) {
    if (arguments.length !== 3) { throw new TypeError("isBetween() needs two dates"); }
    var at = moment(value), from = moment(one), to = moment(other);
    return from > to ? to < at && at < from : from < at && at < to;
  };
  date.isInLast = function (value, amount, name) {
    var now = DateTime.now();
    return now.minus({ [unit(name === undefined ? "minutes" : name)]: amount }) <= moment(value) && moment(value) <= now;
  };
  date.isDst = function (value) { return moment(value).isInDST; };
  date.isWeekend = function (value) { return moment(value).weekday > 5; };
  date.diffTo = function (value, other, units) {
    var names = (units === undefined ? ["days"] : Array.isArray(units) ? units : [units]).map(unit);
    var difference = moment(value).diff(moment(other), names);
    return names.length > 1 ? difference.toObject() : difference.as(names[0]);
  };
  date.diffToNow = function (value, units) { return date.diffTo(value, DateTime.now(), units); };
  date.toInt = date.toFloat = date.toNumber = function (value) { return moment(value).toMillis(); };
})
