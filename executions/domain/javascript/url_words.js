// URL and URLSearchParams, as https://url.spec.whatwg.org defines them for addresses with a host.
(function (kit) {
  "use strict";
  function define(name, value) { Object.defineProperty(globalThis, name, { value: value, writable: true, configurable: true }); }
  var PORTS = { "http:": "80", "https:": "443", "ws:": "80", "wss:": "443", "ftp:": "21" };
  function encoded(text, keep) {
    return encodeURIComponent(String(text).toWellFormed()).replace(/%[0-9A-F]{2}/g, function (code) {
      var c = String.fromCharCode(parseInt(code.slice(1), 16));
      return keep.includes(c) ? c : code;
    });
  }
  function formEncoded(text) {
    return encoded(text, " ").replace(/[!'()~]/g, function (c) { return "%" + c.charCodeAt(0).toString(16).toUpperCase(); }).replace(/ /g, "+");
  }
  function formDecoded(text) {
    return text.replace(/\+/g, " ").replace(/(?:%[0-9a-f]{2})+/gi, function (codes) {
      return kit.utf8Text(codes.slice(1).split("%").map(function (code) { return parseInt(code, 16); }));
    });
  }

  class URLSearchParams {
    constructor(given) {
      Object.defineProperties(this, { _list: { value: [], writable: true }, _changed: { value: null, writable: true } });
      if (given === undefined || given === null) { return; }
      if (typeof given === "object" && typeof given[Symbol.iterator] === "function") {
        for (var pair of given) { this._list.push([String(pair[0]), String(pair[1])]); }
      } else if (typeof given === "object") {
        for (var key of Object.keys(given)) { this._list.push([key, String(given[key])]); }
      } else { this._read(String(given).replace(/^\?/, "")); }
    }
    _read(text) {
      this._list = text.split("&").filter(Boolean).map(function (part) {
        var at = part.indexOf("=");
        return at < 0 ? [formDecoded(part), ""] : [formDecoded(part.slice(0, at)), formDecoded(part.slice(at + 1))];
      });
    }
    _tell() { if (this._changed) { this._changed(this.toString()); } }
    get size() { return this._list.length; }
    append(name, value) { this._list.push([String(name), String(value)]); this._tell(); }
    delete(name, value) {
      this._list = this._list.filter(function (pair) { return !(pair[0] === String(name) && (value === undefined || pair[1] === String(value))); });
      this._tell();
    }
    get(name) { var found = this._list.find(function (pair) { return pair[0] === String(name); }); return found ? found[1] : null; }
    getAll(name) { return this._list.filter(function (pair) { return pair[0] === String(name); }).map(function (pair) { return pair[1]; }); }
    has(name, value) { return this._list.some(function (pair) { return pair[0] === String(name) && (value === undefined || pair[1] === String(value)); }); }
    set(name, value) {
      var first = this._list.findIndex(function (pair) { return pair[0] === String(name); });
      if (first < 0) { return this.append(name, value); }
      this._list[first][1] = String(value);
      this._list = this._list.filter(function (pair, n) { return n <= first || pair[0] !== String(name); });
      this._tell();
    }
    sort() { this._list.sort(function (a, b) { return a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0; }); this._tell(); }
    forEach(call, self) { for (var pair of this._list) { call.call(self, pair[1], pair[0], this); } }
    entries() { return this._list.map(function (pair) { return pair.slice(); }).values(); }
    keys() { return this._list.map(function (pair) { return pair[0]; }).values(); }
    values() { return this._list.map(function (pair) { return pair[1]; }).values(); }
    [Symbol.iterator]() { return this.entries(); }
    toString() { return this._list.map(function (pair) { return formEncoded(pair[0]) + "=" + formEncoded(pair[1]); }).join("&"); }
    toJSON() { return this.toString(); }
  }

  // Punycode (RFC 3492) of one label.
  function punycode(label) {
    if (/^[\0-\x7f]*$/.test(label)) { return label; }
    var codes = Array.from(label, function (c) { return c.codePointAt(0); }), out = codes.filter(function (c) { return c < 128; }).map(function (c) { return String.fromCharCode(c); }).join("");
    var basic = out.length, done = basic, n = 128, delta = 0, bias = 72;
    if (basic) { out += "-"; }
    while (done < codes.length) {
      var next = Math.min.apply(null, codes.filter(function (c) { return c >= n; }));
      delta += (next - n) * (done + 1); n = next;
      for (var code of codes) {
        if (code < n) { delta++; }
        if (code !== n) { continue; }
        var q = delta;
        for (var k = 36; ; k += 36) {
          var t = k <= bias ? 1 : k >= bias + 26 ? 26 : k - bias;
          if (q < t) { break; }
          out += digit(t + (q - t) % (36 - t));
          q = Math.floor((q - t) / (36 - t));
        }
        out += digit(q);
        delta = done === basic ? Math.floor(delta / 700) : delta >> 1;
        delta += Math.floor(delta / (done + 1));
        for (bias = 0; delta > 455; bias += 36) { delta = Math.floor(delta / 35); }
        bias += Math.floor(36 * delta / (delta + 38));
        delta = 0; done++;
      }
      delta++; n++;
    }
    return "xn--" + out;
  }
  function digit(value) { return String.fromCharCode(value < 26 ? value + 97 : value + 22); }
  function hostOf(text, why) {
    if (/^\[[0-9a-f:.]+\]$/i.test(text)) { return text.toLowerCase(); }
    var host = decodeURIComponent(text).toLowerCase().normalize("NFKC").split(".").map(punycode).join(".");
    if (host === "" || /[\0-\x20#/:<>?@[\\\]^|%\x7f]/.test(host)) { why(); }
    return host;
  }
  function withoutDots(path) {
    var out = [], parts = path.split("/");
    parts.forEach(function (part, n) {
      var plain = part.replace(/%2e/gi, "."), last = n === parts.length - 1;
      if (plain === "..") { if (out.length > 1) { out.pop(); } if (last) { out.push(""); } }
      else if (plain === ".") { if (last) { out.push(""); } }
      else { out.push(part); }
    });
    return out.join("/");
  }

  var KEPT = "!$%&'()*+,-./:;=@[]|~_\\^";
  function queryOf(text) { return encoded(text, KEPT + "?{}`").replace(/'/g, "%27"); }
  class URL {
    constructor(url, base) {
      var text = String(url).trim().replace(/[\t\n\r]/g, "");
      var parts = parse(text, base === undefined ? null : base instanceof URL ? base : new URL(base));
      Object.defineProperties(this, { _p: { value: parts }, searchParams: { value: new URLSearchParams(parts.search.slice(1)), enumerable: true } });
      this.searchParams._changed = function (query) { parts.search = query && "?" + query; };
    }
    static canParse(url, base) { try { return Boolean(new URL(url, base)); } catch (_) { return false; } }
    static parse(url, base) { try { return new URL(url, base); } catch (_) { return null; } }
    get host() { return this._p.hostname + (this._p.port && ":" + this._p.port); }
    set host(value) { var at = /^(\[[^\]]*\]|[^:]*)(?::(\d*))?$/.exec(value); this.hostname = at[1]; if (at[2] !== undefined) { this.port = at[2]; } }
    get origin() { return this._p.protocol in PORTS ? this._p.protocol + "//" + this.host : "null"; }
    get href() {
      var p = this._p, login = p.username + (p.password && ":" + p.password);
      return p.protocol + (p.opaque ? "" : "//" + (login && login + "@") + this.host) + p.pathname + p.search + p.hash;
    }
    set href(value) { Object.assign(this._p, new URL(value)._p); this.searchParams._read(this._p.search.slice(1)); }
    toString() { return this.href; }
    toJSON() { return this.href; }
  }
  function property(name, write) {
    Object.defineProperty(URL.prototype, name, { get: function () { return this._p[name]; }, set: write, configurable: true, enumerable: true });
  }
  property("protocol", function (value) { this._p.protocol = String(value).replace(/:?$/, ":").toLowerCase(); });
  property("username", function (value) { this._p.username = encoded(value, "!$&'()*+,-.~_"); });
  property("password", function (value) { this._p.password = encoded(value, "!$&'()*+,-.~_"); });
  property("hostname", function (value) { var p = this._p; p.hostname = hostOf(String(value), function () { throw new TypeError("Invalid host name"); }); });
  property("port", function (value) { value = String(value); this._p.port = value === PORTS[this._p.protocol] ? "" : value.replace(/\D.*/, ""); });
  property("pathname", function (value) { this._p.pathname = withoutDots(encoded(value, KEPT).replace(/^\/?/, "/")); });
  property("search", function (value) {
    value = String(value).replace(/^\?/, "");
    this._p.search = value && "?" + queryOf(value);
    this.searchParams._read(value);
  });
  property("hash", function (value) { value = String(value).replace(/^#/, ""); this._p.hash = value && "#" + encoded(value, KEPT + "?#{}"); });

  function parse(text, base) {
    function why() { throw new TypeError("Invalid URL: " + JSON.stringify(text.slice(0, 200))); }
    var found = /^([a-z][a-z0-9+.-]*:)?([^?#]*)(\?[^#]*)?(#.*)?$/i.exec(text);
    if (!found) { why(); }
    var protocol = (found[1] || "").toLowerCase(), special = protocol in PORTS, rest = found[2];
    var search = found[3] && found[3].length > 1 ? "?" + queryOf(found[3].slice(1)) : "";
    var hash = found[4] && found[4].length > 1 ? "#" + encoded(found[4].slice(1), KEPT + "?#{}") : "";
    if (special || (!protocol && base && base.protocol in PORTS)) { rest = rest.replace(/\\/g, "/"); }
    if (!protocol) {
      if (!base || base._p.opaque) { why(); }
      var parts = Object.assign({}, base._p, { hash: hash });
      if (rest.startsWith("//")) { return parse(base.protocol + text, null); }
      if (rest.startsWith("/")) { return Object.assign(parts, { pathname: withoutDots(encoded(rest, KEPT)), search: search }); }
      if (rest) { return Object.assign(parts, { pathname: withoutDots(base.pathname.replace(/[^/]*$/, "") + encoded(rest, KEPT)), search: search }); }
      return found[3] !== undefined ? Object.assign(parts, { search: search }) : parts;
    }
    if (!special && !rest.startsWith("//")) {
      return { protocol: protocol, username: "", password: "", hostname: "", port: "", pathname: rest, search: search, hash: hash, opaque: true };
    }
    var place = /^\/*(?:([^/@]*(?:@[^/@]*)*)@)?(\[[^\]/]*\]|[^/:]*)(?::(\d*))?(\/.*)?$/.exec(rest);
    if (!place || Number(place[3] || 0) > 65535) { why(); }
    var login = (place[1] || "").split(":"), hostname;
    try { hostname = hostOf(place[2], why); } catch (_) { why(); }
    return {
      protocol: protocol, username: encoded(login[0], "!$%&'()*+,-.~_"), password: encoded(login.slice(1).join(":"), "!$%&'()*+,-.~_"), hostname: hostname,
      port: place[3] && place[3] !== PORTS[protocol] ? String(Number(place[3])) : "", pathname: withoutDots(encoded(place[4] || (special ? "/" : ""), KEPT)), search: search, hash: hash, opaque: false,
    };
  }
  define("URLSearchParams", URLSearchParams);
  define("URL", URL);
})
