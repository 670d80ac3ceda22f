// Words that there are elsewhere: the error says what to use.
(function () {
  "use strict";
  var TIMERS = "code has no timers; use the node wait", PAGES = "pages are fetched by the parameter pagination of http_request";
  var FUNCTIONS = {
    setTimeout: TIMERS, setInterval: TIMERS, setImmediate: "code has no timers; use await",
    fetch: "code has no network; use the node http_request", require: "modules cannot be loaded",
    $fromAI: "nodes are not tools of a model", $item: "use $input.all()[index] or $(\"Node\").itemMatching(index)",
    $getPairedItem: "use $(\"Node\").itemMatching(index)", $evaluateExpression: "write the expression itself, or use code",
  };
  var VALUES = {
    $env: "expressions cannot read the environment of the server; use $vars or a credential",
    $secrets: "expressions cannot read secrets; use a credential", $pageCount: PAGES, $response: PAGES, $request: PAGES,
    $webhookId: "use the path of the node webhook_trigger", $agentInfo: "nodes are not tools of a model",
    $self: "use $json or $getWorkflowStaticData(\"node\")", crypto: "use the node crypto, or .hash() in expressions",
  };
  function define(name, get) { Object.defineProperty(globalThis, name, { get: get, configurable: true }); }
  function error(name, advice) { return new Error(name + " is not available: " + advice); }
  Object.keys(FUNCTIONS).forEach(function (name) {
    Object.defineProperty(globalThis, name, { value: function () { throw error(name, FUNCTIONS[name]); }, writable: true, configurable: true });
  });
  Object.keys(VALUES).forEach(function (name) { define(name, function () { throw error(name, VALUES[name]); }); });
})
