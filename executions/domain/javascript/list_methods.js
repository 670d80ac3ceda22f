// Extension methods of lists.
(function (kit) {
  "use strict";
  var list = kit.methods.list, isArray = Array.isArray;

  // Text of a value that is the same for equal values: objects without regard to the order of their fields.
  function key(value) {
    return JSON.stringify(value, function (_, inner) {
      if (inner === null || typeof inner !== "object" || isArray(inner)) { return inner === undefined ? null : inner; }
      return Object.fromEntries(Object.keys(inner).sort().map(function (name) { return [name, inner[name]]; }));
    });
  }
  function lists(value, name) {
    if (!isArray(value)) { throw new TypeError(name + "() needs a list, such as ." + name + "([1, 2])"); }
    return value;
  }
  function unique(values, keyOf) {
    var seen = new Set();
    return values.filter(function (value) { var k = keyOf(value); return seen.has(k) ? false : seen.add(k); });
  }
  function numbers(values, name) {
    values.forEach(function (value, index) {
      if (typeof value !== "number") { throw new TypeError(name + "() needs numbers; element " + index + " is " + JSON.stringify(value)); }
    });
    return values;
  }
  list.first = function (values) { return values[0]; };
  list.last = function (values) { return values[values.length - 1]; };
  list.append = function (values) { return values.concat(Array.prototype.slice.call(arguments, 1)); };
  list.sum = function (values) { return numbers(values, "sum").reduce(function (sum, value) { return sum + value; }, 0); };
  list.average = function (values) { return values.length ? list.sum(numbers(values, "average")) / values.length : 0; };
  list.max = function (values) { return numbers(values, "max").reduce(function (a, b) { return a > b ? a : b; }, -Infinity); };
  list.min = function (values) { return numbers(values, "min").reduce(function (a, b) { return a < b ? a : b; }, Infinity); };
  list.randomItem = function (values) { return values[Math.floor(Math.random() * values.length)]; };
  list.chunk = function (values, size) {
    if (!Number.isInteger(size) || size < 1) { throw new RangeError("chunk() needs a whole number from 1, such as .chunk(5)"); }
    var out = [];
    for (var at = 0; at < values.length; at += size) { out.push(values.slice(at, at + size)); }
    return out;
  };
  list.compact = function (values) {
    return values.filter(function (value) { return !kit.isEmpty(value) && value !== "nil"; })
      .map(function (value) { return kit.compactObject && value && typeof value === "object" ? kit.compactObject(value) : value; });
  };
  list.unique = list.removeDuplicates = function (values) {
    var names = Array.prototype.slice.call(arguments, 1).flatMap(function (name) { return String(name).split(",").map(function (each) { return each.trim(); }); });
    if (names.length === 0) { return unique(values, key); }
    return unique(values, function (value) {
      return value && typeof value === "object" ? key(names.map(function (name) { return value[name]; })) : key(value);
    });
  };
  list.union = function (values, others) { return unique(values.concat(lists(others, "union")), key); };
  list.difference = function (values, others) {
    var known = new Set(lists(others, "difference").map(key));
    return unique(values.filter(function (value) { return !known.has(key(value)); }), key);
  };
  list.intersection = function (values, others) {
    var known = new Set(lists(others, "intersection").map(key));
    return unique(values.filter(function (value) { return known.has(key(value)); }), key);
  };
  list.pluck = function (values) {
    var names = Array.prototype.slice.call(arguments, 1);
    if (names.length === 0) { return values; }
    return values.flatMap(function (value) {
      if (value === null || typeof value !== "object") { return []; }
      var found = names.filter(function (name) { return Object.hasOwn(value, name); }).map(function (name) { return value[name]; });
      return found.length ? [found.length === 1 ? found[0] : found] : [];
    });
  };
  list.renameKeys = function (values) {
    var names = Array.prototype.slice.call(arguments, 1);
    if (names.length === 0 || names.length % 2) { throw new TypeError("renameKeys() needs pairs of names, such as .renameKeys(\"from\", \"to\")"); }
    return values.map(function (value) {
      if (value === null || typeof value !== "object" || isArray(value)) { return value; }
      var entries = Object.entries(value);
      for (var n = 0; n < names.length; n += 2) {
        entries = entries.map(function (entry) { return entry[0] === names[n] ? [names[n + 1], entry[1]] : entry; });
      }
      return Object.fromEntries(entries);
    });
  };
  list.smartJoin = function (values, keyField, valueField) {
    if (typeof keyField !== "string" || typeof valueField !== "string") { throw new TypeError("smartJoin() needs two names, such as .smartJoin(\"name\", \"value\")"); }
    return Object.fromEntries(values.filter(function (value) {
      return value !== null && typeof value === "object" && keyField in value && valueField in value;
    }).map(function (value) { return [value[keyField], value[valueField]]; }));
  };
  function merged(one, other) { return Object.assign({}, one, other, one); }
  list.merge = function (values, others) {
    if (others === undefined) { return values.reduce(function (all, value) { return value && typeof value === "object" && !isArray(value) ? merged(all, value) : all; }, {}); }
    lists(others, "merge");
    return values.reduce(function (all, value, n) {
      return value && typeof value === "object" && others[n] && typeof others[n] === "object" ? Object.assign(all, merged(value, others[n])) : all;
    }, {});
  };
  list.toJsonString = function (values) { return JSON.stringify(values); };
})
