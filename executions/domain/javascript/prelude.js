// The variables of expressions and code, and how a result is passed to the host.
var __names = {}, __items = [], __index = 0;
function __wrap(item) { return { json: item }; }
function __list(items) {
  return {
    all: function () { return items.map(__wrap); },
    first: function () { return items.length ? __wrap(items[0]) : undefined; },
    last: function () { return items.length ? __wrap(items[items.length - 1]) : undefined; },
    get item() { return items.length ? __wrap(items[Math.min(__index, items.length - 1)]) : undefined; },
    get json() { return items.length ? items[Math.min(__index, items.length - 1)] : undefined; },
  };
}
function $(name) {
  if (!(name in __names)) { throw new ReferenceError("no node " + JSON.stringify(name) + " has run yet"); }
  return __list(__names[name]);
}
var $node = new Proxy({}, { get: function (_, name) { return $(name); } });
function $items(name) { return name === undefined ? __items.map(__wrap) : $(name).all(); }
Object.defineProperty(globalThis, "$input", { get: function () { return __list(__items); } });
Object.defineProperty(globalThis, "$json", { get: function () { return __items[__index]; } });
Object.defineProperty(globalThis, "$itemIndex", { get: function () { return __index; } });
var __json = (function (stringify) {
  return function (value) {
    if (typeof value === "function" || typeof value === "symbol" || typeof value === "bigint") {
      throw new TypeError("a " + typeof value + " is not a JSON value");
    }
    var text = stringify(value);
    return text === undefined ? "null" : text;
  };
})(JSON.stringify);
// A thrown value never reaches the host as an object: reading an object can run code, without a time limit. An error is
// returned as "!", its text, a newline and its stack, which is not valid JSON.
var __guard = (function (String, Error, stringify, apply, wellFormed) {
  function describe(error) {
    var plain = typeof error === "object" && error !== null && !(error instanceof Error);
    var text = plain ? "Error: " + stringify(error) : String(error);
    // The host reads texts as Unicode: half a character would be an exception there.
    return apply(wellFormed, "!" + text + "\n" + (error instanceof Error ? error.stack : ""), []);
  }
  return function (work) { try { return work(); } catch (error) { return describe(error); } };
})(String, Error, JSON.stringify, Reflect.apply, String.prototype.toWellFormed);
var __function = (function (evaluate, json, guard) {
  return function (source) {
    return guard(function () {
      // An arrow function keeps the outer `this` and `arguments`, and allows one expression only.
      var expression = evaluate("(() => (\n" + source + "\n))");
      return function (index) {
        return guard(function () { __index = index; return json(expression()); });
      };
    });
  };
})(eval, __json, __guard);
