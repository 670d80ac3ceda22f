(function (lines, characters) {
  var stringify = JSON.stringify, slice = String.prototype.slice, wellFormed = String.prototype.toWellFormed;
  var kept = [], dropped = 0, reached = -1;
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
      if (value !== null && value !== undefined) { out[out.length] = value; }
    }
    return out;
  }
  var json = __json, guard = __guard;
  globalThis.__run = function (body, count, limit) {
    return guard(function () {
      var text = json(count < 0 ? body() : each(body, count));
      return text.length > limit ? "#" + text.length : text;
    });
  };
  globalThis.__state = function () { return stringify({ logs: kept, dropped: dropped, item: reached }); };
})
