// The words of dates.
(function (kit) {
  "use strict";
  function define(name, value) { Object.defineProperty(globalThis, name, { value: value, writable: true, configurable: true }); }
  define("DateTime", kit.DateTime);
  define("Duration", kit.Duration);
  Object.defineProperty(globalThis, "$now", { get: function () { return kit.DateTime.now(); }, configurable: true });
  Object.defineProperty(globalThis, "$today", { get: function () { return kit.DateTime.now().startOf("day"); }, configurable: true });
  // $now was a Date of JavaScript before: what workflows called on it goes on working.
  Object.getOwnPropertyNames(Date.prototype).forEach(function (name) {
    if (/^(get|to(ISO|UTC|GMT|Date|Time)String$)/.test(name) && !(name in kit.DateTime.prototype)) {
      Object.defineProperty(kit.DateTime.prototype, name, {
        value: function () { var date = this.toJSDate(); return date[name].apply(date, arguments); }, writable: true, configurable: true });
    }
  });
})
