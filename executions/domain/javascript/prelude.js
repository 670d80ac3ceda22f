// The variables of expressions and code, and how a result is passed to the host.
var __names = Object.create(null), __pairs = Object.create(null), __items = [], __index = 0, __each = true;
Object.defineProperty(globalThis, "$json", { get: function () { return __items[__index]; } });
Object.defineProperty(globalThis, "$itemIndex", { get: function () { return __index; } });
// What JSON.stringify writes as {} gets a JSON form, or is an error: the host puts the script json_forms in.
var __json = (function (stringify, apply, includes, evaluate, world) {
  var forms = "@json_forms";
  function write(value) {
    if (forms === null) { return stringify(value); }
    try {
      var text = stringify(value);
      if (text === undefined || !(apply(includes, text, ["{}"]) || apply(includes, text, ["{\"0\":"]))) { return text; }
    } catch (error) { if (!(error instanceof TypeError)) { throw error; } }
    evaluate(forms);
    forms = null;
    return stringify(value);
  }
  return function (value) {
    if (typeof value === "function") { throw new TypeError("the result is a function, not a value; write () after it to call it"); }
    if (value === world) { throw new TypeError("the result is the global object, which has no JSON form"); }
    if (typeof value === "symbol") { throw new TypeError("the result is a symbol, which has no JSON form"); }
    var text = write(value);
    return text === undefined ? "null" : text;
  };
})(JSON.stringify, Reflect.apply, String.prototype.includes, eval, globalThis);
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
