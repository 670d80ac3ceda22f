// $getWorkflowStaticData: data that is kept from one execution to the next. The host sets __static.
(function (kit) {
  "use strict";
  var used = {}, stringify = JSON.stringify;
  kit.staticData = function () { return stringify(used); };
  Object.defineProperty(globalThis, "$getWorkflowStaticData", { configurable: true, writable: true, value: function (type) {
    if (globalThis.__static === undefined) { throw new Error("$getWorkflowStaticData exists in the node code only"); }
    if (type !== "global" && type !== "node") { throw new TypeError("$getWorkflowStaticData needs \"global\" or \"node\", not " + stringify(type)); }
    if (!Object.hasOwn(used, type)) { used[type] = globalThis.__static[type]; }
    return used[type];
  } });
})
