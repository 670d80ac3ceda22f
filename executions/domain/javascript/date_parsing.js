// Reads ISO 8601, SQL, RFC 2822, HTTP and the formats of DateTime.fromFormat into the fields of a date.
(function (kit) {
  "use strict";
  var YEAR = "([+-]\\d{6}|\\d{4})";
  var TIME = "(\\d{2})(?::?(\\d{2})(?::?(\\d{2})(?:[.,](\\d{1,30}))?)?)?";
  var OFFSET = "(Z|[+-]\\d{2}(?::?\\d{2})?)?";
  var DATES = [
    [new RegExp("^" + YEAR + "(?:-(\\d{2})(?:-(\\d{2}))?)?$"), function (f) { return { year: +f[1], month: +(f[2] || 1), day: +(f[3] || 1) }; }],
    [new RegExp("^" + YEAR + "(\\d{2})(\\d{2})$"), function (f) { return { year: +f[1], month: +f[2], day: +f[3] }; }],
    [new RegExp("^" + YEAR + "-?W(\\d{2})(?:-?(\\d))?$"), function (f) { return { weekYear: +f[1], weekNumber: +f[2], weekday: +(f[3] || 1) }; }],
    [new RegExp("^" + YEAR + "-?(\\d{3})$"), function (f) { return { year: +f[1], ordinal: +f[2] }; }],
    [new RegExp("^" + YEAR + "(\\d{2})$"), function (f) { return { year: +f[1], month: +f[2], day: 1 }; }],
  ];
  var CLOCK = new RegExp("^" + TIME + OFFSET + "(?:\\[([^\\]]+)\\])?$", "i");

  function clock(text, out) {
    var f = CLOCK.exec(text);
    if (!f) { return null; }
    out.hour = +f[1]; out.minute = +(f[2] || 0); out.second = +(f[3] || 0);
    out.millisecond = f[4] ? Math.floor(("0." + f[4]) * 1000 + 1e-9) : 0;
    if (f[5]) { out.offset = /z/i.test(f[5]) ? 0 : kit.signedOffset(f[5].slice(0, 3), f[5].slice(3).replace(":", "")); }
    if (f[6]) { out.zone = f[6]; }
    return out;
  }
  function day(text) {
    for (var form of DATES) {
      var found = form[0].exec(text);
      if (found) { return form[1](found); }
    }
    return null;
  }
  kit.readISO = function (text) {
    text = String(text);
    var at = text.search(/[Tt]/);
    if (at < 0) { return /^\d{2}:\d{2}/.test(text) ? clock(text, { today: true }) : day(text); }
    if (at === 0) { return clock(text.slice(1), { today: true }); }
    var out = day(text.slice(0, at));
    return out && clock(text.slice(at + 1), out);
  };
  kit.readSQL = function (text) {
    var f = /^(\d{4}-\d{2}-\d{2})?(?:(?:^|\s+)(\d{2}:\d{2}(?::\d{2}(?:[.,]\d{1,30})?)?)(?:\s*(Z|[+-]\d{2}:?\d{2})|\s+([A-Za-z_]+(?:\/[A-Za-z_+-]+){0,2}))?)?$/.exec(String(text));
    if (!f || (!f[1] && !f[2])) { return null; }
    var out = f[1] ? day(f[1]) : { today: true };
    if (f[2] && !clock(f[2] + (f[3] || ""), out)) { return null; }
    if (f[4]) { out.zone = f[4]; }
    return out;
  };

  var MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split(" ");
  var OBSOLETE = { gmt: 0, ut: 0, utc: 0, z: 0, edt: -240, est: -300, cdt: -300, cst: -360, mdt: -360, mst: -420, pdt: -420, pst: -480 };
  function month(text) { return MONTHS.indexOf(text.slice(0, 3).toLowerCase()) + 1; }
  function named(f, names) {
    var out = { year: +f[names[0]], month: month(f[names[1]]), day: +f[names[2]], hour: +f[names[3]], minute: +f[names[4]], second: +(f[names[5]] || 0), millisecond: 0 };
    return out.month ? out : null;
  }
  kit.readRFC2822 = function (text) {
    text = String(text).replace(/\([^()]*\)|[\n\t]/g, " ").replace(/(\s\s+)/g, " ").trim();
    var f = /^(?:(Mon|Tue|Wed|Thu|Fri|Sat|Sun),\s)?(\d{1,2})\s([A-Za-z]{3})\s(\d{2,4})\s(\d\d):(\d\d)(?::(\d\d))?\s(?:(UT|UTC|GMT|[ECMP][SD]T|Z)|([+-]\d\d)(\d\d))$/i.exec(text);
    if (!f) { return null; }
    var out = named(f, [4, 3, 2, 5, 6, 7]);
    if (!out) { return null; }
    if (f[4].length === 2) { out.year += out.year > 60 ? 1900 : 2000; }
    out.offset = f[8] ? OBSOLETE[f[8].toLowerCase()] : kit.signedOffset(f[9], f[10]);
    return out;
  };
  kit.readHTTP = function (text) {
    text = String(text);
    var f = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), (\d\d) ([A-Za-z]{3}) (\d{4}) (\d\d):(\d\d):(\d\d) GMT$/.exec(text), out = f && named(f, [3, 2, 1, 4, 5, 6]);
    if (!out && (f = /^(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, (\d\d)-([A-Za-z]{3})-(\d\d) (\d\d):(\d\d):(\d\d) GMT$/.exec(text))) {
      out = named(f, [3, 2, 1, 4, 5, 6]);
      if (out) { out.year += out.year > 60 ? 1900 : 2000; }
    }
    if (!out && (f = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) ([A-Za-z]{3}) ( \d|\d\d) (\d\d):(\d\d):(\d\d) (\d{4})$/.exec(text))) { out = named(f, [6, 1, 2, 3, 4, 5]); }
    if (out) { out.offset = 0; }
    return out;
  };

  // Returns {fields} or {why}.
  kit.readFormat = function (text, format, locale) {
    var readers = [], parsers = kit.parsers(kit.localeOf(locale));
    var source = kit.tokens(kit.expanded(format)).map(function (token) {
      if (token.literal) { return token.text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&").replace(/[\s\u00a0\u202f]+/g, "[\\s\\u00a0\\u202f]+"); }
      var parser = parsers[token.text];
      if (!parser) { throw new RangeError("the format token " + JSON.stringify(token.text) + " cannot be parsed"); }
      readers.push(parser[1]);
      return "(" + parser[0] + ")";
    }).join("");
    var found = new RegExp("^" + source + "$", "i").exec(String(text)), out = {};
    if (!found) { return { why: "the input \"" + text + "\" can't be parsed as format " + format }; }
    readers.forEach(function (read, n) { read(out, found[n + 1]); });
    if (out.hour12 !== undefined) { out.hour = out.meridiem === undefined ? out.hour12 : out.hour12 % 12 + 12 * out.meridiem; }
    else if (out.meridiem === 1 && out.hour < 12) { out.hour += 12; }
    if (out.era === 0) { out.year = -out.year; }
    if (out.quarter !== undefined && out.month === undefined) { out.month = (out.quarter - 1) * 3 + 1; }
    delete out.hour12; delete out.meridiem; delete out.era; delete out.quarter;
    return { fields: out };
  };
  var ENGLISH_MACROS = { D: "M/d/yyyy", DD: "MMM d, yyyy", DDD: "MMMM d, yyyy", DDDD: "EEEE, MMMM d, yyyy", t: "h:mm a", tt: "h:mm:ss a", T: "H:mm", TT: "H:mm:ss", f: "M/d/yyyy, h:mm a", ff: "MMM d, yyyy, h:mm a", F: "M/d/yyyy, h:mm:ss a", FF: "MMM d, yyyy, h:mm:ss a" };
  kit.expanded = function (format) {
    return kit.tokens(format).map(function (token) {
      return token.literal ? (/[A-Za-z]/.test(token.text) ? "'" + token.text + "'" : token.text) : ENGLISH_MACROS[token.text] || token.text;
    }).join("");
  };
})
