// localeCompare and Intl.Collator: letters before accents before case, punctuation before digits before letters.
(function (kit) {
  "use strict";
  function rank(c) { return /[\p{P}\p{Z}\s]/u.test(c) ? 0 : /\p{S}/u.test(c) ? 1 : /\p{Nd}/u.test(c) ? 2 : 3; }
  function compareLetters(a, b, numeric) {
    var x = Array.from(a), y = Array.from(b), i = 0, j = 0;
    while (i < x.length && j < y.length) {
      if (numeric && /\d/.test(x[i]) && /\d/.test(y[j])) {
        var one = /^\d+/.exec(x.slice(i).join(""))[0], other = /^\d+/.exec(y.slice(j).join(""))[0], difference = Number(one) - Number(other);
        if (difference) { return difference; }
        i += one.length; j += other.length;
        continue;
      }
      if (x[i] !== y[j]) {
        var ranks = rank(x[i]) - rank(y[j]);
        return ranks || x[i].codePointAt(0) - y[j].codePointAt(0);
      }
      i++; j++;
    }
    return (x.length - i) - (y.length - j);
  }
  function base(text) {
    return text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase()
      .replace(/ß/g, "ss").replace(/æ/g, "ae").replace(/œ/g, "oe").replace(/ø/g, "o").replace(/ł/g, "l").replace(/đ/g, "d");
  }
  function compare(a, b, o) {
    a = String(a); b = String(b);
    if (o.ignorePunctuation) { a = a.replace(/[\p{P}\s]/gu, ""); b = b.replace(/[\p{P}\s]/gu, ""); }
    var level = o.sensitivity || "variant", result = compareLetters(base(a), base(b), o.numeric);
    if (result === 0 && (level === "accent" || level === "variant")) {
      result = compareLetters(a.normalize("NFD").toLowerCase(), b.normalize("NFD").toLowerCase(), o.numeric);
    }
    if (result === 0 && (level === "case" || level === "variant")) {
      for (var n = 0; n < Math.min(a.length, b.length) && result === 0; n++) {
        if (a[n] !== b[n]) { result = (a[n] === a[n].toLowerCase() ? -1 : 1) * (o.caseFirst === "upper" ? -1 : 1); }
      }
    }
    return Math.sign(result);
  }
  class Collator {
    constructor(tags, options) {
      if (tags !== undefined) { kit.localeData(tags); }
      Object.defineProperty(this, "_o", { value: Object.assign({}, options) });
      this.compare = this.compare.bind(this);
    }
    compare(a, b) { return compare(a, b, this._o); }
    resolvedOptions() { return Object.assign({ locale: kit.defaultLocale, usage: "sort", sensitivity: "variant", numeric: false }, this._o); }
  }
  kit.intl("Collator", Collator);
  Object.defineProperty(String.prototype, "localeCompare", { value: function (other, tags, options) {
    if (tags !== undefined) { kit.localeData(tags); }
    return compare(this, other, options || {});
  }, writable: true, configurable: true });
})
