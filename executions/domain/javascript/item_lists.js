// $input, $("X"), $node and $items: lists of items. Loaded for sources that name one of them.
function __wrap(item) { return { json: item }; }
// `match(i)` returns the item that belongs to the input item i, and `word` names the list in errors.
function __list(items, word, match) {
  function current() {
    if (!__each && __items.length > 1) {
      throw new Error(word + ".item: this code runs once for all " + __items.length + " items, so no item is the " +
        "current one. Use " + word + ".itemMatching(i), .first(), .last() or .all()");
    }
    return __items.length ? match(__each ? __index : 0) : undefined;
  }
  // Other branches and runs are not there: their items must not pass for those of the latest run.
  function check(branch, run) {
    if (branch || run) {
      throw new Error(word + " has the items of the latest run, of its first output with items; another branch or run" +
        " cannot be chosen. Leave out the arguments");
    }
  }
  return {
    all: function (branch, run) { check(branch, run); return items.map(__wrap); },
    first: function (branch, run) { check(branch, run); return items.length ? __wrap(items[0]) : undefined; },
    last: function (branch, run) { check(branch, run); return items.length ? __wrap(items[items.length - 1]) : undefined; },
    itemMatching: function (i) {
      if (!(Number.isInteger(i) && i >= 0 && i < __items.length)) {
        throw new RangeError(word + ".itemMatching(" + String(i) + "): there are " + __items.length +
          " input items, counted from 0");
      }
      return __wrap(match(i));
    },
    get item() { var item = current(); return item === undefined ? undefined : __wrap(item); },
    get json() { return current(); },
  };
}
function __matching(name, word) {
  return function (i) {
    var pair = __pairs[name];
    if (pair === undefined) {
      throw new Error(word + ": write the word item, itemMatching, json or binary after it, since the items are traced " +
        "before the code runs");
    }
    var at = pair.index === null ? i : pair.index[i];
    if (at < 0) { throw new Error(word + ": " + pair.errors[-1 - at]); }
    return (pair.items === null ? __names[name] : pair.items)[at];
  };
}
function $(name) {
  if (!(name in __names)) { throw new ReferenceError("node " + JSON.stringify(String(name)) + " has not run yet"); }
  var word = "$(" + JSON.stringify(name) + ")";
  return __list(__names[name], word, __matching(name, word));
}
var $node = new Proxy({}, { get: function (_, name) {
  return typeof name === "symbol" || name === "toJSON" ? undefined : $(name);
} });
function $items(name, branch, run) { return name === undefined ? __items.map(__wrap) : $(name).all(branch, run); }
Object.defineProperty(globalThis, "$input", { get: function () {
  return __list(__items, "$input", function (i) { return __items[i]; }); } });
