(function (lines, characters) {
  var stringify = JSON.stringify, slice = String.prototype.slice, wellFormed = String.prototype.toWellFormed;
  var NumberOf = Map, set = Map.prototype.set, get = Map.prototype.get, isArray = Array.isArray;
  var startsWith = String.prototype.startsWith, join = Array.prototype.join;
  var kept = [], dropped = 0, reached = -1, origins = [], failures = [], failureCharacters = 0;
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
  // The JSON text of what the code returns for an item; undefined: nothing, or the item has failed, which is noted.
  function attempt(body) {
    try {
      var value = body();
      if (value === null || value === undefined) { return undefined; }
      if (typeof value !== "object" || isArray(value)) {
        throw new TypeError("The code returned " + slice.call(shown(value), 0, 100) + "; an item must be an object.");
      }
      return json(value);
    } catch (error) {
      var text = slice.call(guard(function () { throw error; }), 1, 1000);
      if (startsWith.call(text, "InternalError: out of memory")) { throw error; }
      failureCharacters += text.length;
      failures[failures.length] = [reached, failureCharacters > 1000000 ? "" : text];
      return undefined;
    }
  }
  function eachTolerant(body, count) {
    var out = [];
    for (var i = 0; i < count; i++) {
      __index = reached = i;
      var text = attempt(body);
      if (text !== undefined) { origins[out.length] = i; out[out.length] = text; }
    }
    return "[" + join.call(out, ",") + "]";
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
  globalThis.__run = function (body, count, limit, tolerant) {
    __each = count >= 0;
    return guard(function () {
      var text = tolerant ? eachTolerant(body, count) : json(count < 0 ? passed(body()) : each(body, count));
      return text.length > limit ? "#" + text.length : text;
    });
  };
  globalThis.__state = function () { return stringify({ logs: kept, dropped: dropped, item: reached, origins: origins, failures: failures }); };
})
