// Intl.PluralRules, .ListFormat and .RelativeTimeFormat, and numbers with units, names of currencies or in compact form.
(function (kit) {
  "use strict";
  var stringify = JSON.stringify, format = kit.NumberFormat;
  function wordsOf(data) { return data.words; }
  // The plural form of a number that is shown as the digits before and after the point.
  function form(rules, whole, fraction, exponent) {
    var shown = fraction.replace(/0+$/, ""), number = Number(whole + (fraction ? "." + fraction : ""));
    return rules(exponent ? number * Math.pow(10, exponent) : number, exponent ? number * Math.pow(10, exponent) : Number(whole), fraction.length, shown.length, Number(fraction || 0), Number(shown || 0), exponent || 0);
  }
  function filled(pattern) { var values = arguments; return pattern.replace(/\{(\d)\}/g, function (_, n) { return values[Number(n) + 1]; }); }
  function of(forms, name) { return name in forms ? forms[name] : forms.other; }
  function choice(value, choices, otherwise, what) {
    value = value === undefined ? otherwise : value;
    if (!choices.includes(value)) { throw new RangeError(what + " must be one of " + choices.join(", ") + ", not " + stringify(value)); }
    return value;
  }
  var WIDTHS = ["long", "short", "narrow"];

  class PluralRules {
    constructor(tags, options) {
      var o = Object.assign({ type: "cardinal" }, options);
      choice(o.type, ["cardinal", "ordinal"], "cardinal", "type");
      Object.defineProperties(this, { _type: { value: o.type }, _format: { value: new format(tags, Object.assign({}, o, { style: "decimal" })) } });
    }
    select(value) {
      value = Number(value);
      if (!Number.isFinite(value)) { return "other"; }
      var words = wordsOf(this._format._d), parts = kit.decimalParts(value, this._format._digits);
      return form(this._type === "ordinal" ? words.ordinal : words.plural, parts[0], parts[1]);
    }
    resolvedOptions() { return { locale: this._format._d.tag, type: this._type }; }
  }
  class ListFormat {
    constructor(tags, options) {
      var o = options || {}, type = choice(o.type, ["conjunction", "disjunction", "unit"], "conjunction", "type"), style = choice(o.style, WIDTHS, "long", "style");
      var name = { conjunction: "standard", disjunction: "or", unit: "unit" }[type], lists = wordsOf(kit.localeData(tags)).lists;
      var names = style === "narrow" ? [name + "-narrow", name + "-short", name] : style === "short" ? [name + "-short", name] : [name];
      var found = names.find(function (each) { return each in lists; });
      if (found === undefined) { throw new RangeError("lists of the type " + type + " are not available in this locale; use conjunction"); }
      Object.defineProperty(this, "_patterns", { value: Object.assign({}, lists.standard, lists[found]) });
    }
    format(list) {
      var texts = Array.from(list), patterns = this._patterns, last = texts.length - 1;
      texts.forEach(function (text) { if (typeof text !== "string") { throw new TypeError("ListFormat needs a list of texts; it has " + stringify(text)); } });
      if (texts.length < 2) { return texts.join(""); }
      if (texts.length === 2) { return filled(patterns[2], texts[0], texts[1]); }
      var out = filled(patterns.end, texts[last - 1], texts[last]);
      for (var n = last - 2; n > 0; n--) { out = filled(patterns.middle, texts[n], out); }
      return filled(patterns.start, texts[0], out);
    }
  }
  class RelativeTimeFormat {
    constructor(tags, options) {
      var o = options || {};
      Object.defineProperties(this, {
        _style: { value: choice(o.style, WIDTHS, "long", "style") }, _numeric: { value: choice(o.numeric, ["always", "auto"], "always", "numeric") },
        _format: { value: new format(tags, {}) },
      });
    }
    format(value, unit) {
      value = Number(value);
      if (!Number.isFinite(value)) { throw new RangeError("RelativeTimeFormat needs a finite number, not " + value); }
      var words = wordsOf(this._format._d), name = String(unit).replace(/s$/, ""), span = words.spans[name];
      if (!span) { throw new RangeError("RelativeTimeFormat knows " + Object.keys(words.spans).join(", ") + ", not " + stringify(unit)); }
      var forms = span[this._style].future ? span[this._style] : span.long, shown = Object.is(value, -0) ? "0" : String(value);
      if (this._numeric === "auto" && forms.relative && shown in forms.relative) { return forms.relative[shown]; }
      var past = value < 0 || Object.is(value, -0), size = Math.abs(value), parts = kit.decimalParts(size, this._format._digits);
      return filled(of(past ? forms.past : forms.future, form(words.plural, parts[0], parts[1])), this._format.format(size));
    }
    formatToParts() { throw new Error("Intl.RelativeTimeFormat.formatToParts is not available"); }
  }
  kit.intl("PluralRules", PluralRules);
  kit.intl("ListFormat", ListFormat);
  kit.intl("RelativeTimeFormat", RelativeTimeFormat);
  kit.ListFormat = ListFormat;
  kit.RelativeTimeFormat = RelativeTimeFormat;

  function unitText(words, o, text, name) {
    var width = choice(o.unitDisplay, WIDTHS, "short", "unitDisplay"), units = words.units, unit = units[o.unit];
    if (unit) { return filled(of(unit[width] || unit.short, name), text); }
    var parts = String(o.unit).split("-per-");
    if (parts.length !== 2 || !units[parts[0]] || !units[parts[1]]) { throw new RangeError("there is no unit " + stringify(o.unit) + "; units are " + Object.keys(units).filter(function (each) { return !each.includes("-per-"); }).join(", ")); }
    var one = filled(of(units[parts[0]][width], name), text), per = units[parts[1]][width].per;
    return per ? filled(per, one) : filled(words.per[width], one, filled(of(units[parts[1]][width], "one"), "").trim());
  }
  // The text of a number without its sign, or undefined if it is an ordinary one. `plain(value, digits, grouping)` writes digits.
  kit.numberInWords = function (made, value, plain) {
    var o = made._o, words = wordsOf(made._d), parts;
    if (o.notation === "compact") {
      var shown = compact(words.compact[choice(o.compactDisplay, ["short", "long"], "short", "compactDisplay")], words.plural, value, made._digits, o, plain);
      return o.style === "unit" ? unitText(words, o, shown.text, shown.form) : shown.text;
    }
    parts = kit.decimalParts(value, made._digits);
    var name = form(words.plural, parts[0], parts[1]), text = plain(value, made._digits, o.useGrouping);
    if (o.style === "unit") { return unitText(words, o, text, name); }
    var names = words.currencies[made._code];
    return filled(of(words.money, name), text, names ? of(names, name) : words.currencyNames[made._code] || made._code);
  };
  // Two significant digits, or all digits before the point if these are more.
  function rounding(value, digits, o) {
    if (o.maximumFractionDigits !== undefined || o.minimumFractionDigits !== undefined || digits.significant) { return digits; }
    return value >= 99.5 || value === 0 ? Object.assign({}, digits, { minFraction: 0, maxFraction: 0 }) : Object.assign({}, digits, { significant: true, minSignificant: 1, maxSignificant: 2 });
  }
  function compact(patterns, rules, value, digits, o, plain) {
    var size = value < 1 ? 0 : Math.floor(Math.log10(value) + 1e-12);
    for (var step = 0; step < 2; step++) {
      var forms = patterns[Math.min(size, 14)], zeros = forms ? /0+/.exec(forms.other)[0].length : 0, scale = forms && forms.other !== "0" ? Math.min(size, 14) + 1 - zeros : 0;
      var scaled = Number((value / Math.pow(10, scale)).toPrecision(15)), rounded = rounding(scaled, digits, o), parts = kit.decimalParts(scaled, rounded);
      // 999,950 is 1M and not 1000K.
      if (scale > 0 && size < 14 && parts[0].length > zeros) { size++; continue; }
      break;
    }
    var name = form(rules, parts[0], parts[1]), text = plain(scaled, rounded, o.useGrouping === undefined ? "min2" : o.useGrouping);
    return { form: form(rules, parts[0], parts[1], scale), text: scale ? of(forms, name).replace(/'/g, "").replace(/0+/, function () { return text; }) : text };
  }
})
