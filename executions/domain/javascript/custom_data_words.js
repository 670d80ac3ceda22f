// $execution.customData: the attributes of the execution. Code sets them, if the host sets __custom_data to the limits.
(function (kit) {
  "use strict";
  var set = Object.create(null), count = 0, own = Object.prototype.hasOwnProperty, stringify = JSON.stringify;
  var word = "$execution.customData", execution;
  kit.customData = function () { return stringify(set); };
  function put(key, value) {
    var limits = globalThis.__custom_data;
    if (limits === undefined) { throw new Error(word + ".set exists in the node code only; elsewhere use the node execution_data"); }
    if (typeof key !== "string" || key === "") { throw new TypeError(word + ".set needs a text as its key, not " + stringify(key)); }
    if (key.length > limits.key) { throw new RangeError(word + ": the key " + stringify(key.slice(0, limits.key)) + "… has " + key.length + " characters; at most " + limits.key + " are allowed"); }
    if (typeof value !== "string" && typeof value !== "number" && typeof value !== "boolean" && typeof value !== "bigint") {
      throw new TypeError(word + "." + key + ": the value must be a text, a number or a boolean; it is " + (value === null ? "null" : "of the type " + typeof value));
    }
    var text = String(value);
    if (text.length > limits.value) { throw new RangeError(word + "." + key + ": the value has " + text.length + " characters; at most " + limits.value + " are allowed"); }
    if (!(key in set) && ++count > limits.count) { throw new RangeError(word + ": at most " + limits.count + " attributes can be set"); }
    set[key] = text;
  }
  function words(given) {
    function all() { return Object.assign({}, given, set); }
    return {
      set: function (key, value) { put(key, value); },
      setAll: function (values) {
        if (typeof values !== "object" || values === null) { throw new TypeError(word + ".setAll needs an object"); }
        Object.keys(values).forEach(function (key) { put(key, values[key]); });
      },
      get: function (key) { var known = all(); return own.call(known, key) ? known[key] : undefined; },
      getAll: all,
      toJSON: all
    };
  }
  function attached(value) {
    if (typeof value === "object" && value !== null) { value.customData = words(value.customData || {}); }
    return value;
  }
  execution = attached(globalThis.$execution);
  // The host may set $execution after this.
  Object.defineProperty(globalThis, "$execution", {
    configurable: true,
    get: function () { return execution; },
    set: function (value) { execution = attached(value); }
  });
})
