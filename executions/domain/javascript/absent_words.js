// Functions that there are elsewhere: the error says what to use.
(function (kit) {
  "use strict";
  var ADVICE = {
    setTimeout: "code has no timers; use the node wait", setInterval: "code has no timers; use the node wait", setImmediate: "code has no timers; use await",
    fetch: "code has no network; use the node http_request", require: "modules cannot be loaded",
  };
  Object.keys(ADVICE).forEach(function (name) {
    Object.defineProperty(globalThis, name, { value: function () { throw new Error(name + " is not available: " + ADVICE[name]); }, writable: true, configurable: true });
  });
})
