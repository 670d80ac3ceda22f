// $if, $ifEmpty, $min, $max and other functions.
(function (kit) {
  "use strict";
  function define(name, value) { Object.defineProperty(globalThis, name, { value: value, writable: true, configurable: true }); }
  function isEmpty(value) {
    if (value === undefined || value === null || value === "") { return true; }
    return typeof value === "object" && !(value instanceof Date) && Object.getPrototypeOf(value) !== (kit.DateTime && kit.DateTime.prototype) && Object.keys(value).length === 0;
  }
  define("$if", function (condition, one, other) {
    if (arguments.length < 2) { throw new TypeError("$if needs a condition, a value, and a value otherwise"); }
    return condition ? one : arguments.length > 2 ? other : false;
  });
  define("$ifEmpty", function (value, other) {
    if (arguments.length !== 2) { throw new TypeError("$ifEmpty needs two arguments: a value, and the value if it is empty"); }
    return isEmpty(value) ? other : value;
  });
  define("$min", Math.min);
  define("$max", Math.max);
  define("$not", function (value) { return !value; });
  define("$average", function () {
    var sum = 0;
    for (var value of arguments) {
      if (typeof value !== "number") { throw new TypeError("$average needs numbers, not " + JSON.stringify(value)); }
      sum += value;
    }
    return arguments.length ? sum / arguments.length : 0;
  });
  define("numberList", function (start, end) {
    var size = Math.abs(end - start) + 1, step = start < end ? 1 : -1;
    if (!(size <= 1000000)) { throw new RangeError("numberList() needs two numbers, at most 1,000,000 apart"); }
    return Array.from({ length: size }, function (_, n) { return start + n * step; });
  });
  define("zip", function (keys, values) {
    if (!Array.isArray(keys) || !Array.isArray(values) || keys.length !== values.length) { throw new TypeError("zip() needs two lists of one length"); }
    return Object.fromEntries(keys.map(function (key, n) { return [key, values[n]]; }));
  });
})
