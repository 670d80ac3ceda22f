(function (lines, characters) {
  var stringify = JSON.stringify, slice = String.prototype.slice, wellFormed = String.prototype.toWellFormed;
  var NumberOf = Map, set = Map.prototype.set, get = Map.prototype.get, isArray = Array.isArray;
  var startsWith = String.prototype.startsWith, join = Array.prototype.join;
  var indexOf = String.prototype.indexOf, test = RegExp.prototype.test, escapedNul = /(?:^|[^\\])(?:\\\\)*\\u0000/;
  var PromiseOf = Promise, then = Promise.prototype.then, apply = Reflect.apply;
  var kept = [], dropped = 0, reached = -1, origins = [], settled = "null", failures = [], failureCharacters = 0;
  function shown(value) {
    if (typeof value === "string") { return value; }
    if (value instanceof Error) { return String(value); }
    try { return value === undefined ? "undefined" : json(value); }
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
  // A promise is awaited before the code runs for the next item. If it goes on after errors, `out` are JSON texts, so
  // that a value that is no JSON fails its item only.
  function each(body, count, tolerant) {
    var out = [];
    function keep(value, i) {
      if (value === null || value === undefined) { return; }
      if (tolerant) { requireItem(value); value = requireStorable(json(value)); }
      origins[out.length] = i;
      out[out.length] = value;
    }
    function fail(error) {
      if (!tolerant) { throw error; }
      note(error);
    }
    function runFrom(i) {
      for (; i < count; i++) {
        __index = reached = i;
        try {
          var value = body();
          if (value instanceof PromiseOf) { return apply(then, value, [continueAfter(i), failAfter(i)]); }
          keep(value, i);
        } catch (error) { fail(error); }
      }
      return out;
    }
    function continueAfter(i) {
      return function (value) {
        try { keep(value, i); } catch (error) { fail(error); }
        return runFrom(i + 1);
      };
    }
    function failAfter(i) { return function (error) { fail(error); return runFrom(i + 1); }; }
    return runFrom(0);
  }
  function requireItem(value) {
    if (typeof value !== "object" || isArray(value)) {
      throw new TypeError("The code returned " + slice.call(shown(value), 0, 100) + "; an item must be an object.");
    }
  }
  // In JSON, an escape of U+0000 follows an even number of backslashes.
  function requireStorable(text) {
    if (indexOf.call(text, "\\u0000") >= 0 && apply(test, escapedNul, [text])) {
      throw new TypeError("The output contains the character U+0000, which cannot be stored.");
    }
    return text;
  }
  // Note that the current item has failed.
  function note(error) {
    var text = slice.call(guard(function () { throw error; }), 1, 1000);
    if (startsWith.call(text, "InternalError: out of memory")) { throw error; }
    failureCharacters += text.length;
    failures[failures.length] = [reached, failureCharacters > 1000000 ? "" : text];
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
  globalThis.__run = function (body, count, limit, tolerant) {
    __each = count >= 0;
    function finish(value) {
      // Joined, not added: the binding cannot read the ropes that additions of long texts make.
      var text = tolerant ? join.call(["[", join.call(value, ","), "]"], "") : json(count < 0 ? passed(listed(value)) : value);
      return text.length > limit ? "#" + text.length : text;
    }
    return guard(function () {
      var value = count < 0 ? body() : each(body, count, tolerant);
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
  globalThis.__state = function () { return stringify({ logs: kept, dropped: dropped, item: reached, origins: origins, failures: failures }); };
})
