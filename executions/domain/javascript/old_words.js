// Words that n8n had before: $data, $position, $executionId, $resumeWebhookUrl and $mode.
(function () {
  "use strict";
  function define(name, get) { Object.defineProperty(globalThis, name, { get: get, configurable: true }); }
  define("$data", function () { return globalThis.$json; });
  define("$position", function () { return globalThis.__index; });
  define("$executionId", function () { return globalThis.$execution.id; });
  define("$resumeWebhookUrl", function () { return globalThis.$execution.resumeUrl; });
  define("$mode", function () { return globalThis.$execution.mode; });
})
