(function (kit) {
  "use strict";
  Object.defineProperty(globalThis, "Interval", { value: kit.Interval, writable: true, configurable: true });
})
