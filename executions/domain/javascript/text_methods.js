// Extension methods of text.
(function (kit) {
  "use strict";
  var text = kit.methods.text;
  var HOST = "(?:(?:[-\\w]+\\.)+(?:[a-zA-Z]{2,}|xn--[a-zA-Z0-9]+)|localhost|\\d{1,3}(?:\\.\\d{1,3}){3})";
  var REST = "(?::\\d+)?(?:/[^\\s?#]*)?(?:\\?[^\\s#]*)?(?:#\\S*)?";
  var MAIL = /[^<>()[\]\\.,;:\s@"]+(?:\.[^<>()[\]\\.,;:\s@"]+)*@((?:[a-zA-Z\-0-9]+\.)+[a-zA-Z]{2,}|\[\d{1,3}(?:\.\d{1,3}){3}\])/;
  var URLS = new RegExp("(?:https?|ftp)://" + HOST + REST, "i");
  var WHOLE_URL = new RegExp("^(?:https?|ftp)://" + HOST + REST + "$", "i");
  var DOMAIN = new RegExp("^" + HOST + REST + "$", "i");
  var DOMAIN_OF = new RegExp("^(?:(?:https?|ftp)://)?(?:mailto:)?(?://)?(" + HOST + ")" + REST + "$", "i");

  function number(value, read, what) {
    var result = read(String(value).replace(/[\p{Sc}\s]/gu, ""));
    if (Number.isNaN(result)) { throw new TypeError("the text " + JSON.stringify(value.slice(0, 100)) + " is not " + what); }
    return result;
  }
  text.length = function (value) { return value.length; };
  text.toNumber = function (value) { return number(value, function (t) { return t === "" ? NaN : Number(t); }, "a number"); };
  text.toInt = text.toWholeNumber = function (value, radix) { return number(value, function (t) { return parseInt(t, radix); }, "a whole number"); };
  text.toFloat = text.toDecimalNumber = function (value) {
    if (value.includes(",")) { throw new TypeError("the text " + JSON.stringify(value.slice(0, 100)) + " has a comma; write . before the decimals"); }
    return number(value, parseFloat, "a number");
  };
  text.toBoolean = function (value) { return value !== "" && !["false", "no", "0"].includes(value.toLowerCase()); };
  text.isNumeric = function (value) { return !value.includes(" ") && !Number.isNaN(Number(value)) && !Number.isNaN(parseFloat(value)); };
  text.isEmail = function (value) { return MAIL.test(value) && !value.includes(" "); };
  text.isUrl = function (value) { return WHOLE_URL.test(value); };
  text.isDomain = function (value) { return DOMAIN.test(value); };
  text.extractEmail = function (value) { var found = MAIL.exec(value); return found ? found[0] : undefined; };
  text.extractUrl = function (value) { var found = URLS.exec(value); return found ? found[0] : undefined; };
  text.extractDomain = function (value) {
    var found = text.isEmail(value) ? MAIL.exec(value) : DOMAIN_OF.exec(value);
    return found ? found[1] : undefined;
  };
  text.extractUrlPath = function (value) {
    var found = /^[a-z][a-z0-9+.-]*:\/\/[^\s/?#]+([^\s?#]*)/i.exec(value);
    return found ? found[1] || "/" : undefined;
  };
  text.urlEncode = function (value, whole) { return whole ? encodeURI(value) : encodeURIComponent(value); };
  text.urlDecode = function (value, whole) { return whole ? decodeURI(value) : decodeURIComponent(value); };
  text.toJsonString = function (value) { return JSON.stringify(value); };
  text.parseJson = function (value) {
    try { return JSON.parse(value); } catch (error) {
      throw new TypeError("the text is not JSON: " + error.message + (value.includes("'") ? " (JSON has double quotes)" : ""));
    }
  };
  text.quote = function (value, mark) {
    mark = mark === undefined ? "\"" : String(mark);
    return mark + value.replace(/\\/g, "\\\\").split(mark).join("\\" + mark) + mark;
  };
  text.base64Encode = function (value) { return kit.base64Text(kit.utf8Bytes(value)); };
  text.base64Decode = function (value) { return kit.utf8Text(kit.base64Bytes(value)); };

  var SMALL = /^(?:a|an|and|as|at|because|but|by|en|for|if|in|neither|nor|of|on|only|or|over|per|so|some|than|that|the|to|up|upon|v|versus|via|vs|when|with|without|yet)$/i;
  text.toTitleCase = function (value) {
    return value.replace(/[^\s:–—-]+/g, function (word, at) {
      if (/[^\p{L}]\p{L}*\p{Lu}|\p{Ll}\p{Lu}/u.test(word.slice(1)) || /^\S+@|^https?:/.test(word)) { return word; }
      if (at > 0 && at + word.length < value.length && SMALL.test(word)) { return word; }
      return word.replace(/\p{L}/u, function (letter) { return letter.toUpperCase(); });
    });
  };
  text.toSentenceCase = function (value) {
    return value.toLowerCase().replace(/(^|[!?.])([^\p{L}]*)(\p{L})/gu, function (_, mark, between, letter) { return mark + between + letter.toUpperCase(); });
  };
  text.toSnakeCase = function (value) {
    return value.toLowerCase().replace(/[ \-]/g, "_").replace(/[\u2000-\u206F\u2E00-\u2E7F\\'!"#$%&()*+,./:;<=>?@[\]^`{|}~]/g, "");
  };
  text.removeTags = function (value) { return value.replace(/<[^>]*>?/g, ""); };
  text.removeMarkdown = function (value) {
    return value
      .replace(/^[ \t]*(?:`{3,}|~{3,}).*$\n?/gm, "")
      .replace(/^([ \t]*)(?:[*+-]|\d+\.)[ \t]+/gm, "$1")
      .replace(/<\/?[a-zA-Z][^>]*>/g, "")
      .replace(/^(?:={2,}|-{2,})[ \t]*$\n?/gm, "")
      .replace(/^[ \t]{0,3}\[\^?[^\]\n]+\]:.*$\n?/gm, "").replace(/\[\^[^\]\n]+\]/g, "")
      .replace(/!\[[^\]\n]*\][[(][^\])\n]*[\])]/g, "")
      .replace(/\[([^\]\n]*)\][[(][^\])\n]*[\])]/g, "$1")
      .replace(/^[ \t]*(?:>[ \t]?)+/gm, "")
      .replace(/^#{1,6}[ \t]+(.*?)[ \t]*#*$/gm, "$1")
      .replace(/~~/g, "")
      .replace(/(\*{1,3}|_{1,3})(\S(?:[^\n]*?\S)?)\1/g, "$2")
      .replace(/`+([^`\n]+)`+/g, "$1")
      .replace(/\n{2,}/g, "\n\n");
  };
  var LETTERS = { "ß": "ss", "ẞ": "SS", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "đ": "d", "Đ": "D", "ð": "d", "Ð": "D", "þ": "th", "Þ": "TH", "ł": "l", "Ł": "L", "ı": "i", "ħ": "h", "Ħ": "H", "ŋ": "n", "Ŋ": "N", "’": "'", "‘": "'", "“": "\"", "”": "\"", "„": "\"", "«": "<<", "»": ">>", "–": "-", "—": "-", "…": "...", "€": "EUR", "£": "GBP", "\u00a0": " " };
  text.replaceSpecialChars = function (value) {
    return value.replace(/[^\0-\x7f]/gu, function (letter) { return LETTERS[letter] === undefined ? letter : LETTERS[letter]; })
      .normalize("NFKD").replace(/\p{M}/gu, "").replace(/[^\0-\x7f]/gu, "?");
  };
})
