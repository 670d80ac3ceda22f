// TextEncoder, TextDecoder, Buffer and structuredClone.
(function (kit) {
  "use strict";
  function define(name, value) { Object.defineProperty(globalThis, name, { value: value, writable: true, configurable: true }); }

  function utf8Bytes(text) {
    var out = [];
    for (var c of String(text).toWellFormed()) {
      var code = c.codePointAt(0);
      if (code < 0x80) { out.push(code); }
      else if (code < 0x800) { out.push(0xc0 | code >> 6, 0x80 | code & 63); }
      else if (code < 0x10000) { out.push(0xe0 | code >> 12, 0x80 | code >> 6 & 63, 0x80 | code & 63); }
      else { out.push(0xf0 | code >> 18, 0x80 | code >> 12 & 63, 0x80 | code >> 6 & 63, 0x80 | code & 63); }
    }
    return out;
  }
  // What is not UTF-8 becomes U+FFFD, one for each longest part that could have been.
  function utf8Text(bytes, fatal) {
    var out = "", at = 0;
    while (at < bytes.length) {
      var first = bytes[at++], needed = first < 0x80 ? 0 : first >= 0xc2 && first < 0xe0 ? 1 : first >= 0xe0 && first < 0xf0 ? 2 : first >= 0xf0 && first < 0xf5 ? 3 : -1;
      var code = needed < 1 ? first : first & (63 >> needed), low = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80, high = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
      for (var left = needed; left > 0; left--) {
        if (!(bytes[at] >= low && bytes[at] <= high)) { needed = -1; break; }
        code = code << 6 | bytes[at++] & 63;
        low = 0x80; high = 0xbf;
      }
      if (needed < 0 && fatal) { throw new TypeError("The bytes are not UTF-8."); }
      out += needed < 0 ? "\ufffd" : String.fromCodePoint(code);
    }
    return out;
  }
  var DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  function base64Text(bytes, url) {
    var out = "";
    for (var n = 0; n < bytes.length; n += 3) {
      var bits = bytes[n] << 16 | (bytes[n + 1] || 0) << 8 | (bytes[n + 2] || 0);
      out += DIGITS[bits >> 18] + DIGITS[bits >> 12 & 63] + (n + 1 < bytes.length ? DIGITS[bits >> 6 & 63] : "=") + (n + 2 < bytes.length ? DIGITS[bits & 63] : "=");
    }
    return url ? out.replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "") : out;
  }
  function base64Bytes(text) {
    var out = [], bits = 0, count = 0;
    for (var c of String(text).replace(/-/g, "+").replace(/_/g, "/")) {
      var digit = DIGITS.indexOf(c);
      if (c === "=") { break; }
      if (digit < 0) { continue; }
      bits = bits << 6 | digit; count += 6;
      if (count >= 8) { count -= 8; out.push(bits >> count & 255); }
    }
    return out;
  }
  kit.utf8Bytes = utf8Bytes; kit.utf8Text = utf8Text; kit.base64Bytes = base64Bytes; kit.base64Text = base64Text;

  function encodingOf(name) {
    var known = { "utf8": "utf8", "utf-8": "utf8", "base64": "base64", "base64url": "base64url", "hex": "hex", "latin1": "latin1", "binary": "latin1", "ascii": "ascii", "utf16le": "utf16le", "utf-16le": "utf16le", "ucs2": "utf16le" }[String(name === undefined ? "utf8" : name).toLowerCase()];
    if (!known) { throw new TypeError("Buffer knows utf8, base64, base64url, hex, latin1, ascii and utf16le, not " + JSON.stringify(name)); }
    return known;
  }
  function bytesOf(text, encoding) {
    switch (encodingOf(encoding)) {
      case "utf8": return utf8Bytes(text);
      case "base64": case "base64url": return base64Bytes(text);
      case "hex": return (/^(?:[0-9a-f]{2})*/i.exec(text)[0].match(/../g) || []).map(function (pair) { return parseInt(pair, 16); });
      case "utf16le": return Array.from({ length: text.length * 2 }, function (_, n) { return text.charCodeAt(n >> 1) >> (n & 1 ? 8 : 0) & 255; });
    }
    return Array.from(text.split(""), function (c) { return c.charCodeAt(0) & 255; });
  }
  function textOf(bytes, encoding) {
    switch (encodingOf(encoding)) {
      case "utf8": return utf8Text(bytes);
      case "base64": return base64Text(bytes);
      case "base64url": return base64Text(bytes, true);
      case "hex": return Array.from(bytes, function (b) { return b.toString(16).padStart(2, "0"); }).join("");
      case "utf16le": return Array.from({ length: bytes.length >> 1 }, function (_, n) { return String.fromCharCode(bytes[2 * n] | bytes[2 * n + 1] << 8); }).join("");
      case "ascii": return Array.from(bytes, function (b) { return String.fromCharCode(b & 127); }).join("");
    }
    return Array.from(bytes, function (b) { return String.fromCharCode(b); }).join("");
  }
  function buffer(bytes) { var made = new Buffer(bytes.length); made.set(bytes); return made; }
  class Buffer extends Uint8Array {
    static from(value, encoding, length) {
      if (typeof value === "string") { return buffer(bytesOf(value, encoding)); }
      if (value instanceof ArrayBuffer) { return buffer(new Uint8Array(value, encoding, length)); }
      if (value && value.type === "Buffer" && Array.isArray(value.data)) { return buffer(value.data); }
      if (value && typeof value.length === "number") { return buffer(Array.from(value)); }
      throw new TypeError("Buffer.from needs a text, a list of bytes, or a buffer, not " + typeof value);
    }
    static alloc(size, fill, encoding) { var made = new Buffer(size); return fill === undefined ? made : made.fill(fill, encoding); }
    static allocUnsafe(size) { return new Buffer(size); }
    static concat(list, length) {
      var all = buffer(list.flatMap(function (each) { return Array.from(each); }));
      return length === undefined ? all : Buffer.concat([all.subarray(0, length), new Buffer(Math.max(0, length - all.length))]);
    }
    static isBuffer(value) { return value instanceof Buffer; }
    static isEncoding(name) { try { return Boolean(encodingOf(name)); } catch (_) { return false; } }
    static byteLength(value, encoding) { return typeof value === "string" ? bytesOf(value, encoding).length : value.byteLength; }
    static compare(a, b) { return a.compare(b); }
    toString(encoding, start, end) { return textOf(Uint8Array.prototype.slice.call(this, start || 0, end), encoding); }
    toJSON() { return { type: "Buffer", data: Array.from(this) }; }
    slice(start, end) { return this.subarray(start, end); }
    fill(value, encoding) {
      var bytes = typeof value === "string" ? bytesOf(value, encoding) : [value & 255];
      for (var n = 0; n < this.length && bytes.length; n++) { this[n] = bytes[n % bytes.length]; }
      return this;
    }
    compare(other) {
      for (var n = 0; n < Math.min(this.length, other.length); n++) { if (this[n] !== other[n]) { return this[n] < other[n] ? -1 : 1; } }
      return Math.sign(this.length - other.length);
    }
    equals(other) { return this.compare(other) === 0; }
    indexOf(value, from) {
      if (typeof value === "number") { return super.indexOf(value, from); }
      var found = textOf(this, "latin1").indexOf(textOf(typeof value === "string" ? bytesOf(value) : value, "latin1"), from);
      return found;
    }
    includes(value, from) { return this.indexOf(value, from) >= 0; }
    write(text, at) { var bytes = bytesOf(text).slice(0, this.length - (at || 0)); this.set(bytes, at || 0); return bytes.length; }
    readUInt8(at) { return this[at || 0]; }
    readUInt16BE(at) { return this[at] << 8 | this[at + 1]; }
    readUInt32BE(at) { return (this[at] << 24 | this[at + 1] << 16 | this[at + 2] << 8 | this[at + 3]) >>> 0; }
  }
  define("Buffer", Buffer);
  define("TextEncoder", class TextEncoder {
    get encoding() { return "utf-8"; }
    encode(text) { return Uint8Array.from(utf8Bytes(text === undefined ? "" : text)); }
  });
  define("TextDecoder", class TextDecoder {
    constructor(label, options) {
      this.encoding = String(label === undefined ? "utf-8" : label).toLowerCase();
      if (!["utf-8", "utf8", "latin1", "iso-8859-1", "utf-16le"].includes(this.encoding)) { throw new RangeError("TextDecoder knows utf-8, latin1 and utf-16le, not " + JSON.stringify(label)); }
      this.fatal = Boolean(options && options.fatal);
    }
    decode(bytes) {
      var view = bytes === undefined ? [] : bytes instanceof ArrayBuffer ? new Uint8Array(bytes) : bytes;
      if (/^utf-?8$/.test(this.encoding)) { return utf8Text(view, this.fatal).replace(/^\ufeff/, ""); }
      return textOf(view, this.encoding === "utf-16le" ? "utf16le" : "latin1");
    }
  });

  function copied(value, seen) {
    if (typeof value === "function" || typeof value === "symbol") { throw new TypeError("structuredClone cannot copy a " + typeof value); }
    if (value === null || typeof value !== "object") { return value; }
    if (seen.has(value)) { return seen.get(value); }
    var out;
    if (value instanceof Date) { return new Date(value.getTime()); }
    if (value instanceof RegExp) { return new RegExp(value.source, value.flags); }
    if (ArrayBuffer.isView(value)) { return value.constructor.from(value); }
    if (value instanceof Map) { seen.set(value, out = new Map()); value.forEach(function (inner, key) { out.set(copied(key, seen), copied(inner, seen)); }); return out; }
    if (value instanceof Set) { seen.set(value, out = new Set()); value.forEach(function (inner) { out.add(copied(inner, seen)); }); return out; }
    if (value instanceof Error) { out = new value.constructor(value.message); seen.set(value, out); return out; }
    seen.set(value, out = Array.isArray(value) ? new Array(value.length) : {});
    Object.keys(value).forEach(function (key) { Object.defineProperty(out, key, { value: copied(value[key], seen), writable: true, enumerable: true, configurable: true }); });
    return out;
  }
  define("structuredClone", function (value) { return copied(value, new Map()); });
})
