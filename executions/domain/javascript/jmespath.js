// $jmespath: queries of JSON (https://jmespath.org/specification.html). A parsed query is a function of a value.
(function (kit) {
  "use strict";
  var isArray = Array.isArray, TOKEN = /\s*(?:([A-Za-z_]\w*)|("(?:[^"\\]|\\.)*")|('(?:[^'\\]|\\.)*')|(`(?:[^`\\]|\\.)*`)|(-?\d+)|(\[\]|\[\?|&&|\|\||[<>=!]=|[.*()[\]{},:@&|<>!]))/y;
  var POWER = { "|": 1, "||": 2, "&&": 3, "==": 5, "!=": 5, "<": 5, ">": 5, "<=": 5, ">=": 5, "[]": 9, "*": 20, "[?": 21, ".": 40, "!": 45, "{": 50, "[": 55, "(": 60 };

  function fail(query, at, why) { throw new SyntaxError("$jmespath: " + why + " at character " + (at + 1) + " of " + JSON.stringify(query)); }
  function tokens(query) {
    var out = [], found;
    TOKEN.lastIndex = 0;
    while (TOKEN.lastIndex < query.length && query.slice(TOKEN.lastIndex).trim()) {
      var begin = TOKEN.lastIndex;
      found = TOKEN.exec(query);
      if (!found) { fail(query, begin, "there is an unexpected character"); }
      if (found[1] !== undefined) { out.push({ type: "name", value: found[1], at: begin }); }
      else if (found[2] !== undefined) { out.push({ type: "quoted", value: JSON.parse(found[2]), at: begin }); }
      else if (found[3] !== undefined) { out.push({ type: "literal", value: found[3].slice(1, -1).replace(/\\'/g, "'").replace(/\\\\/g, "\\"), at: begin }); }
      else if (found[4] !== undefined) { out.push({ type: "literal", value: json(found[4].slice(1, -1).replace(/\\`/g, "`")), at: begin }); }
      else if (found[5] !== undefined) { out.push({ type: "number", value: Number(found[5]), at: begin }); }
      else { out.push({ type: found[6], at: begin }); }
    }
    out.push({ type: "end", at: query.length });
    return out;
  }
  function json(text) { try { return JSON.parse(text.trim()); } catch (_) { return text.trim(); } }

  function isObject(value) { return value !== null && typeof value === "object" && !isArray(value); }
  function typeOf(value) { return value === null ? "null" : isArray(value) ? "array" : typeof value === "function" ? "expression" : typeof value; }
  function isTrue(value) { return !(value === null || value === false || value === "" || (isArray(value) && !value.length) || (isObject(value) && !Object.keys(value).length)); }
  function equal(a, b) {
    if (a === b) { return true; }
    if (isArray(a) && isArray(b)) { return a.length === b.length && a.every(function (each, n) { return equal(each, b[n]); }); }
    if (!isObject(a) || !isObject(b)) { return false; }
    var keys = Object.keys(a);
    return keys.length === Object.keys(b).length && keys.every(function (key) { return Object.hasOwn(b, key) && equal(a[key], b[key]); });
  }
  function field(name) { return function (value) { return isObject(value) && Object.hasOwn(value, name) && value[name] !== undefined ? value[name] : null; }; }
  function index(n) { return function (value) { var found = isArray(value) ? value[n < 0 ? value.length + n : n] : undefined; return found === undefined ? null : found; }; }
  function slice(parts) {
    var step = parts[2] === undefined ? 1 : parts[2];
    if (step === 0) { throw new RangeError("$jmespath: the step of a slice cannot be 0"); }
    return function (list) {
      if (!isArray(list)) { return null; }
      function bound(n, otherwise) { return n === undefined ? otherwise : n < 0 ? Math.max(n + list.length, step < 0 ? -1 : 0) : Math.min(n, step < 0 ? list.length - 1 : list.length); }
      var out = [], from = bound(parts[0], step < 0 ? list.length - 1 : 0), to = bound(parts[1], step < 0 ? -1 : list.length);
      for (var at = from; step < 0 ? at > to : at < to; at += step) { out.push(list[at]); }
      return out;
    };
  }
  function projected(list, right) { return list.map(right).filter(function (value) { return value !== null; }); }
  function same(value) { return value; }
  function flattened(value) { return isArray(value) ? value.flat() : null; }

  function parse(query) {
    var all = tokens(query), at = 0;
    function type() { return all[at].type; }
    function take(wanted) {
      if (type() !== wanted) { fail(query, all[at].at, "expected " + wanted + ", got " + (type() === "end" ? "the end" : type())); }
      return all[at++];
    }
    function expression(power) {
      var left = prefix();
      while (power < (POWER[type()] || 0)) { left = infix(left); }
      return left;
    }
    function prefix() {
      var token = all[at++], inner;
      switch (token.type) {
        case "literal": return function () { return token.value; };
        case "name": return type() === "(" ? call(token) : field(token.value);
        case "quoted": return field(token.value);
        case "@": return same;
        case "!": inner = expression(POWER["!"]); return function (value) { return !isTrue(inner(value)); };
        case "&": inner = expression(0); return function () { return inner; };
        case "(": inner = expression(0); take(")"); return inner;
        case "{": return hash();
        case "*": return valuesOf(same);
        case "[]": return flattenedOf(same);
        case "[?": return filtered(same);
        case "[": return bracket(same, true);
      }
      fail(query, token.at, "unexpected " + (token.type === "end" ? "end" : token.type));
    }
    function infix(left) {
      var token = all[at++], right;
      switch (token.type) {
        case ".":
          if (type() === "*") { at++; return valuesOf(left); }
          right = dotted();
          return function (value) { value = left(value); return value === null ? null : right(value); };
        case "|": right = expression(POWER["|"]); return function (value) { return right(left(value)); };
        case "||": right = expression(POWER["||"]); return function (value) { var one = left(value); return isTrue(one) ? one : right(value); };
        case "&&": right = expression(POWER["&&"]); return function (value) { var one = left(value); return isTrue(one) ? right(value) : one; };
        case "[]": return flattenedOf(left);
        case "[?": return filtered(left);
        case "[": return bracket(left, false);
        case "(": fail(query, token.at, "only the name of a function may stand before (");
      }
      right = expression(POWER[token.type]);
      if (token.type === "==") { return function (value) { return equal(left(value), right(value)); }; }
      if (token.type === "!=") { return function (value) { return !equal(left(value), right(value)); }; }
      return function (value) {
        var a = left(value), b = right(value);
        if (typeof a !== "number" || typeof b !== "number") { return null; }
        return token.type === "<" ? a < b : token.type === ">" ? a > b : token.type === "<=" ? a <= b : a >= b;
      };
    }
    function dotted() {
      if (type() === "name" || type() === "quoted") { return expression(POWER["."]); }
      if (type() === "[") { at++; return multiple(); }
      if (type() === "{") { at++; return hash(); }
      fail(query, all[at].at, "expected a name after .");
    }
    // What follows a projection applies to each element.
    function projection(power) {
      if ((POWER[type()] || 0) < 10) { return same; }
      if (type() === "[" || type() === "[?") { return expressionAfter(power); }
      if (type() === ".") { return expressionAfter(power); }
      fail(query, all[at].at, "unexpected " + type());
    }
    function expressionAfter(power) {
      var left = same;
      while (power < (POWER[type()] || 0)) { left = infix(left); }
      return left;
    }
    function valuesOf(left) {
      var right = projection(POWER["*"]);
      return function (value) { value = left(value); return isObject(value) ? projected(Object.values(value), right) : null; };
    }
    function listOf(left, power) {
      var right = projection(power);
      return function (value) { value = left(value); return isArray(value) ? projected(value, right) : null; };
    }
    function flattenedOf(left) { return listOf(function (value) { return flattened(left(value)); }, POWER["[]"]); }
    function filtered(left) {
      var condition = expression(0);
      take("]");
      return listOf(function (value) {
        value = left(value);
        return isArray(value) ? value.filter(function (each) { return isTrue(condition(each)); }) : null;
      }, POWER["[?"]);
    }
    function bracket(left, first) {
      if (type() === "*" && all[at + 1].type === "]") { at += 2; return listOf(left, POWER["*"]); }
      if (type() !== "number" && type() !== ":") {
        if (first) { return multiple(); }
        fail(query, all[at].at, "expected a number, a slice, * or ? after [");
      }
      var parts = [], n = 0;
      while (type() !== "]") {
        if (type() === ":" && n < 2) { n++; at++; } else { parts[n] = take("number").value; }
      }
      at++;
      if (n > 0) { var cut = slice(parts); return listOf(function (value) { return cut(left(value)); }, POWER["*"]); }
      var one = index(parts[0]);
      return function (value) { return one(left(value)); };
    }
    function multiple() {
      var parts = [expression(0)];
      while (type() === ",") { at++; parts.push(expression(0)); }
      take("]");
      return function (value) { return value === null ? null : parts.map(function (part) { return part(value); }); };
    }
    function hash() {
      var entries = [];
      do {
        if (type() === ",") { at++; }
        var key = type() === "quoted" ? take("quoted").value : take("name").value;
        take(":");
        entries.push([key, expression(0)]);
      } while (type() === ",");
      take("}");
      return function (value) { return value === null ? null : Object.fromEntries(entries.map(function (entry) { return [entry[0], entry[1](value)]; })); };
    }
    function call(token) {
      var call = Object.hasOwn(FUNCTIONS, token.value) && FUNCTIONS[token.value], args = [];
      if (!call) { fail(query, token.at, "there is no function " + token.value); }
      at++;
      while (type() !== ")") { args.push(expression(0)); if (type() !== ")") { take(","); } }
      at++;
      return function (value) { return checked(token.value, call, args.map(function (arg) { return arg(value); })); };
    }
    var result = expression(0);
    if (type() !== "end") { fail(query, all[at].at, "unexpected " + type()); }
    return result;
  }

  // Each function has the types of its arguments; "…" repeats the last.
  function checked(name, entry, args) {
    var types = entry[0].split(" "), variadic = types[types.length - 1] === "…";
    if (variadic) { types.pop(); }
    if (variadic ? args.length < types.length : args.length !== types.length) { throw new TypeError("$jmespath: " + name + "() needs " + types.length + " arguments"); }
    args.forEach(function (arg, n) {
      var wanted = types[Math.min(n, types.length - 1)].split("|");
      if (wanted[0] !== "any" && !wanted.includes(typeOf(arg))) { throw new TypeError("$jmespath: " + name + "() needs " + wanted.join(" or ") + ", not " + typeOf(arg)); }
    });
    return entry[1].apply(undefined, args);
  }
  function compare(a, b) { return a < b ? -1 : a > b ? 1 : 0; }
  function extreme(sign, by) {
    return function (list, key) {
      return list.reduce(function (best, each) { return best === null || sign * compare(by ? key(each) : each, by ? key(best) : best) > 0 ? each : best; }, null);
    };
  }
  function toNumber(value) { if (typeof value === "number") { return value; } var n = typeof value === "string" && value.trim() ? Number(value) : NaN; return Number.isNaN(n) ? null : n; }
  var sum = function (list) { return list.reduce(function (a, b) { return a + b; }, 0); };
  var FUNCTIONS = {
    abs: ["number", Math.abs], ceil: ["number", Math.ceil], floor: ["number", Math.floor],
    avg: ["array", function (list) { return list.length ? sum(list) / list.length : null; }], sum: ["array", sum],
    contains: ["array|string any", function (value, part) { return isArray(value) ? value.some(function (each) { return equal(each, part); }) : typeof part === "string" && value.includes(part); }],
    starts_with: ["string string", function (text, part) { return text.startsWith(part); }], ends_with: ["string string", function (text, part) { return text.endsWith(part); }],
    join: ["string array", function (glue, list) { return list.join(glue); }], keys: ["object", Object.keys], values: ["object", Object.values],
    length: ["string|array|object", function (value) { return typeof value === "string" ? Array.from(value).length : isArray(value) ? value.length : Object.keys(value).length; }],
    map: ["expression array", function (each, list) { return list.map(each); }], merge: ["object …", function () { return Object.assign.apply(null, [{}].concat(Array.from(arguments))); }],
    max: ["array", extreme(1)], min: ["array", extreme(-1)], max_by: ["array expression", extreme(1, true)], min_by: ["array expression", extreme(-1, true)],
    not_null: ["any …", function () { var found = Array.from(arguments).find(function (value) { return value !== null; }); return found === undefined ? null : found; }],
    reverse: ["string|array", function (value) { return isArray(value) ? value.slice().reverse() : Array.from(value).reverse().join(""); }],
    sort: ["array", function (list) { return list.slice().sort(compare); }],
    sort_by: ["array expression", function (list, key) { return list.slice().sort(function (a, b) { return compare(key(a), key(b)); }); }],
    to_array: ["any", function (value) { return isArray(value) ? value : [value]; }], to_number: ["any", toNumber],
    to_string: ["any", function (value) { return typeof value === "string" ? value : JSON.stringify(value); }], type: ["any", typeOf],
  };
  function jmespath(value, query) {
    if (typeof query !== "string") { throw new TypeError("$jmespath needs a value and a query, such as $jmespath($json, \"people[*].name\")"); }
    return parse(query)(value === undefined ? null : value);
  }
  ["$jmespath", "$jmesPath"].forEach(function (name) { Object.defineProperty(globalThis, name, { value: jmespath, writable: true, configurable: true }); });
})
