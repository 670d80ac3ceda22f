// The JSON forms of values that JSON.stringify would write as {}. __json runs this when a result may hold one.
(function (define, fromEntries, from, raw) {
  function form(kind, toJSON) { define(kind.prototype, "toJSON", { value: toJSON, writable: true, configurable: true }); }
  function none(kind, text) { form(kind, function () { throw new TypeError(text); }); }
  form(Map, function () {
    for (var key of this.keys()) {
      if (key !== null && typeof key === "object") { throw new TypeError("a Map whose keys are objects has no JSON form; use [...map]"); }
    }
    return fromEntries(this);
  });
  form(Set, function () { return from(this); });
  form(RegExp, function () { return String(this); });
  form(Error, function () { return Object.assign({ name: this.name, message: this.message }, this); });
  define(Object.getPrototypeOf(Int8Array.prototype), "toJSON", { value: function () { return from(this); }, writable: true, configurable: true });
  form(BigInt, function () {
    if (this < -(2n ** 63n) || this >= 2n ** 64n) { throw new TypeError("a BigInt of more than 64 bits has no JSON form; use String(value)"); }
    return raw(String(this));
  });
  none(Iterator, "an iterator has no JSON form; use Array.from(value)");
  none(ArrayBuffer, "an ArrayBuffer has no JSON form; use Array.from(new Uint8Array(value))");
  [Math, JSON, Reflect].forEach(function (value) {
    define(value, "toJSON", { value: function () { throw new TypeError(this[Symbol.toStringTag] + " has no JSON form"); } });
  });
  [WeakMap, WeakSet, WeakRef, DataView].forEach(function (kind) { none(kind, "a " + kind.name + " has no JSON form"); });
})(Object.defineProperty, Object.fromEntries, Array.from, JSON.rawJSON);
