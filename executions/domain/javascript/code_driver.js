(function (lines, characters) {
  var stringify = JSON.stringify, slice = String.prototype.slice, wellFormed = String.prototype.toWellFormed;
  var NumberOf = Map, set = Map.prototype.set, get = Map.prototype.get, isArray = Array.isArray;
  var kept = [], dropped = 0, reached = -1, origins = [];
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
  function each(body, count) {
    var out = [];
    for (var i = 0; i < count; i++) {
      __index = reached = i;
      var value = body();
      if (value !== null && value !== undefined) { origins[out.length] = i; out[out.length] = value; }
    }
    return out;
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
    return guard(function () {
      var text = json(count < 0 ? passed(body()) : each(body, count));
      return text.length > limit ? "#" + text.length : text;
    });
  };
  globalThis.__state = function () { return stringify({ logs: kept, dropped: dropped, item: reached, origins: origins }); };
})
