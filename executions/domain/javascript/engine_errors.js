// The engine throws these past every `catch`; reading them must not run code that a workflow has defined.
[InternalError, SyntaxError, RangeError].forEach(function (kind) {
  var name = kind.name;
  Object.defineProperty(kind.prototype, Symbol.toPrimitive, {
    value: function () { return name + ": " + this.message; }, writable: false, configurable: false });
  Object.defineProperty(kind.prototype, "message", { value: "", writable: true, configurable: false });
  Object.defineProperty(kind.prototype, "stack", { value: "", writable: true, configurable: false });
});
