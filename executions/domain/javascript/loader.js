// Loads the scripts of further words. Each is the text of a function of `kit`, which they share.
(function (evaluate, guard, String) {
  var kit = {};
  return function (script) {
    return guard(function () {
      var result = evaluate(script)(kit);
      return result === undefined ? "" : String(result);
    });
  };
})(eval, __guard, String)
