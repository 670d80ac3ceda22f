// Loads the scripts of further words. Each is the text of a function of `kit`, which they share.
(function (evaluate, guard, String, stringify) {
  var missing = [];
  var kit = {
    defaultLocale: "en-US",
    // Report that a time zone or locale is used and not loaded: the host loads it, and evaluates again.
    miss: function (kind, name) { missing[missing.length] = [kind, name]; },
    takeMissing: function () { var taken = stringify(missing); missing = []; return taken; },
  };
  return function (script) {
    return guard(function () {
      var result = evaluate(script)(kit);
      return result === undefined ? "" : String(result);
    });
  };
})(eval, __guard, String, JSON.stringify)
