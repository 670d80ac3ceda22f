// $runIndex, $prevNode, $parameter, $("X").isExecuted and others. The host sets __about, which $ and $input read.
(function (kit) {
  "use strict";
  var nodeOf = globalThis.$, listOf = globalThis.__list, names = globalThis.__names;
  function about(word) { return function () { return globalThis.__about[word]; }; }
  function define(target, name, get) { Object.defineProperty(target, name, { get: get, configurable: true }); }
  define(globalThis, "$runIndex", about("runIndex"));
  define(globalThis, "$prevNode", about("prevNode"));
  define(globalThis, "$parameter", function () { return globalThis.__about.node.params; });
  define(globalThis, "$nodeVersion", function () { return globalThis.__about.node.version; });
  define(globalThis, "$nodeId", function () { return globalThis.__about.node.id; });

  // Not here: an error, and never undefined.
  function absent(list, name, advice) {
    define(list, name, function () { throw new Error("." + name + " of a node is not available" + advice); });
  }
  globalThis.__list = function (items) {
    var list = listOf.apply(undefined, arguments);
    absent(list, "context", ": the output done of a loop has its items when none is left");
    absent(list, "runIndex", "; $runIndex is that of the current node");
    if (items === globalThis.__items) { define(list, "params", function () { return globalThis.__about.node.params; }); }
    return list;
  };
  globalThis.$ = function (name) {
    var node = Object.hasOwn(globalThis.__about.nodes, name) ? globalThis.__about.nodes[name] : undefined, list;
    if (node === undefined || name in names) { list = nodeOf(name); }
    else {
      list = new Proxy({}, { get: function (own, word) {
        if (word === "isExecuted" || word === "params" || word === "parameter") { return own[word]; }
        return typeof word === "symbol" ? undefined : nodeOf(name)[word];
      } });
    }
    define(list, "isExecuted", function () { return name in names; });
    ["params", "parameter"].forEach(function (word) {
      define(list, word, function () { return node === undefined ? undefined : node.params; });
    });
    return list;
  };
})
