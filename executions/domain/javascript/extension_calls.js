// Calls of extension methods: `x.first()` arrives as `__call(x, "first")`.
(function (kit) {
  "use strict";
  var ISO = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/, isArray = Array.isArray, keys = Object.keys;
  var methods = kit.methods = {};
  ["text", "number", "boolean", "list", "object", "date"].forEach(function (type) { methods[type] = Object.create(null); });

  function typeOf(value) {
    if (isArray(value)) { return "list"; }
    if (typeof value === "string") { return "text"; }
    if (typeof value === "number" || typeof value === "boolean") { return typeof value; }
    if (value instanceof Date || (kit.DateTime && value instanceof kit.DateTime)) { return "date"; }
    return value !== null && typeof value === "object" ? "object" : null;
  }
  function isPlain(value) {
    var prototype = Object.getPrototypeOf(value);
    return prototype === null || prototype === Object.prototype;
  }
  kit.isEmpty = function (value) {
    if (value === null || value === undefined || value === "") { return true; }
    if (isArray(value)) { return value.length === 0; }
    return typeOf(value) === "object" && isPlain(value) && keys(value).length === 0;
  };
  // Returns a function of the arguments, or undefined.
  function find(value, name) {
    if (name === "isEmpty") { return function () { return kit.isEmpty(value); }; }
    if (name === "isNotEmpty") { return function () { return !kit.isEmpty(value); }; }
    var type = typeOf(value);
    if (type === null) { return undefined; }
    var native = typeof value[name] === "function" ? function (args) { return value[name].apply(value, args); } : undefined;
    if (type === "object" && native && !isPlain(value)) { return native; }
    var method = methods[type][name];
    if (type === "text" && !method && ISO.test(value) && methods.date[name]) {
      method = methods.date[name];
      value = new Date(value);
    }
    return method ? function (args) { return method.apply(undefined, [value].concat(args)); } : native;
  }
  var SEVERAL = { text: "texts", number: "numbers", boolean: "booleans", list: "lists", object: "objects", date: "dates" };
  function shown(value) { return value === null || value === undefined ? String(value) : (typeOf(value) === "object" ? "an object" : "a " + typeOf(value)); }
  function call(value, name, args) {
    var found = find(value, name);
    if (found) { return found(args); }
    var types = keys(methods).filter(function (type) { return methods[type][name]; });
    types = types.map(function (type) { return SEVERAL[type]; });
    throw new TypeError(name + "() is for " + (types.join(" and ") || "other values") + "; it is called on " + shown(value));
  }
  function define(name, value) { Object.defineProperty(globalThis, name, { value: value, writable: false, configurable: false }); }
  define("__call", function (value, name) { return call(value, name, Array.prototype.slice.call(arguments, 2)); });
  define("__callIf", function (value, name) {
    return value === null || value === undefined ? undefined : call(value, name, Array.prototype.slice.call(arguments, 2));
  });
})
