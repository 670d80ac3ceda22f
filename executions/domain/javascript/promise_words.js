// Expressions whose value may be a promise. Of a promise the answer is "?": the host runs its jobs, and asks __settled.
(function () {
  "use strict";
  var evaluate = eval, json = __json, guard = __guard, apply = Reflect.apply, then = Promise.prototype.then, PromiseOf = Promise;
  var settled = "null";
  Object.defineProperty(Promise.prototype, "toJSON", { value: function () {
    throw new TypeError("a promise within a value is not awaited; use await, or Promise.all for a list"); } });
  function answer(value) {
    if (!(value instanceof PromiseOf)) { return json(value); }
    settled = "?";
    apply(then, value, [
      function (result) { settled = guard(function () { return json(result); }); },
      function (error) { settled = guard(function () { throw error; }); },
    ]);
    return "?";
  }
  Object.defineProperty(globalThis, "__settled", { value: function () { return settled; } });
  Object.defineProperty(globalThis, "__promised", { value: function (source) {
    return guard(function () {
      var expression = evaluate("(() => (\n" + source + "\n))");
      return function (index) { return guard(function () { globalThis.__index = index; return answer(expression()); }); };
    });
  } });
})
