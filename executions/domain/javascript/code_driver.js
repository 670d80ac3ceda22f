(function (lines, characters) {
  var stringify = JSON.stringify, slice = String.prototype.slice, wellFormed = String.prototype.toWellFormed;
  var NumberOf = Map, set = Map.prototype.set, get = Map.prototype.get, isArray = Array.isArray;
  var PromiseOf = Promise, then = Promise.prototype.then, apply = Reflect.apply;
  var kept = [], dropped = 0, reached = -1, origins = [], settled = "null";
  function shown(value) {
    if (typeof value === "string") { return value; }
    if (value instanceof Error) { return String(value); }
    try { var text = stringify(value); return text === undefined ? String(value) : text; }
    catch (error) { return String(value); }
  }
  function logger(level) {
    return function () {
      if (kept.length >= lines) { dropped++; return; }
      var text = "";
      for (var i = 0; i < arguments.length; i++) { text += (i ? " " : "") + shown(arguments[i]); }
      kept[kept.length] = [level, wellFormed.call(slice.call(text, 0, characters))];
    };
  }
  globalThis.console = {
    log: logger("info"), info: logger("info"), debug: logger("debug"), warn: logger("warning"), error: logger("error"),
  };
  // A promise is awaited before the code runs for the next item.
  function each(body, count) {
    var out = [];
    function keep(value, i) {
      if (value !== null && value !== undefined) { origins[out.length] = i; out[out.length] = value; }
    }
    function runFrom(i) {
      for (; i < count; i++) {
        __index = reached = i;
        var value = body();
        if (value instanceof PromiseOf) { return apply(then, value, [continueAfter(i)]); }
        keep(value, i);
      }
      return out;
    }
    function continueAfter(i) { return function (value) { keep(value, i); return runFrom(i + 1); }; }
    return runFrom(0);
  }
  // One object is one item.
  function listed(value) {
    return value === null || typeof value !== "object" || isArray(value) ? value : [value];
  }
  // The index of each returned item that is an input item, changed or not.
  function passed(value) {
    var indexes = new NumberOf();
    for (var i = 0; i < __items.length; i++) { set.call(indexes, __items[i], i); }
    if (isArray(value)) {
      for (var j = 0; j < value.length; j++) {
        var each = value[j], index = each ? get.call(indexes, each) : undefined;
        if (index === undefined && each) { index = get.call(indexes, each.json); }
        origins[j] = index === undefined ? null : index;
      }
    }
    return value;
  }
  var json = __json, guard = __guard;
  globalThis.__run = function (body, count, limit) {
    __each = count >= 0;
    function finish(value) {
      var text = json(count < 0 ? passed(listed(value)) : value);
      return text.length > limit ? "#" + text.length : text;
    }
    return guard(function () {
      var value = count < 0 ? body() : each(body, count);
      if (!(value instanceof PromiseOf)) { return finish(value); }
      settled = "?";
      apply(then, value, [
        function (result) { settled = guard(function () { return finish(result); }); },
        function (error) { settled = guard(function () { throw error; }); },
      ]);
      return "?";
    });
  };
  globalThis.__result = function () { return settled; };
  globalThis.__state = function () { return stringify({ logs: kept, dropped: dropped, item: reached, origins: origins }); };
})
