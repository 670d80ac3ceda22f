// The words of code: items and item, as before $input.
(function (kit) {
  "use strict";
  var list = null, current = null, at = -1;
  function define(name, get) {
    Object.defineProperty(globalThis, name, { get: get, configurable: true, set: function (value) {
      Object.defineProperty(globalThis, name, { value: value, writable: true, configurable: true });
    } });
  }
  // The same objects each time: code changes them, and returns them.
  define("items", function () { list = list || globalThis.__items.map(globalThis.__wrap); return list; });
  define("item", function () {
    if (!globalThis.__each) { throw new ReferenceError("item exists in mode `each`; in mode `all` use items or $input.all()"); }
    if (at !== globalThis.__index) { at = globalThis.__index; current = globalThis.__wrap(globalThis.__items[at]); }
    return current;
  });
})
