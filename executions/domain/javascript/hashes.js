// text.hash(): MD5, SHA-1 and SHA-2 of the UTF-8 bytes, in hexadecimal.
(function (kit) {
  "use strict";
  var bytesOf = kit.utf8Bytes;
  function padded(bytes, block, lengthBytes, little) {
    var out = bytes.concat(0x80), bits = bytes.length * 8;
    while (out.length % block !== block - lengthBytes) { out.push(0); }
    var length = [];
    for (var n = 0; n < lengthBytes; n++) { length.push(n < 7 ? Math.floor(bits / Math.pow(2, 8 * n)) % 256 : 0); }
    return out.concat(little ? length : length.reverse());
  }
  function rotl(x, n) { return x << n | x >>> (32 - n); }
  function hex32(words) { return words.map(function (word) { return (word >>> 0).toString(16).padStart(8, "0"); }).join(""); }
  function word(bytes, at) { return bytes[at] << 24 | bytes[at + 1] << 16 | bytes[at + 2] << 8 | bytes[at + 3]; }

  function md5(text) {
    var bytes = padded(bytesOf(text), 64, 8, true), state = [0x67452301, 0xefcdab89 | 0, 0x98badcfe | 0, 0x10325476];
    var shifts = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];
    for (var block = 0; block < bytes.length; block += 64) {
      var a = state[0], b = state[1], c = state[2], d = state[3];
      for (var n = 0; n < 64; n++) {
        var round = n >> 4, f = [b & c | ~b & d, d & b | ~d & c, b ^ c ^ d, c ^ (b | ~d)][round];
        var at = block + 4 * ([n, 5 * n + 1, 3 * n + 5, 7 * n][round] % 16);
        var m = bytes[at] | bytes[at + 1] << 8 | bytes[at + 2] << 16 | bytes[at + 3] << 24;
        var k = Math.floor(Math.abs(Math.sin(n + 1)) * 4294967296) | 0, sum = a + f + k + m | 0;
        a = d; d = c; c = b; b = b + rotl(sum, shifts[round][n % 4]) | 0;
      }
      state = [state[0] + a | 0, state[1] + b | 0, state[2] + c | 0, state[3] + d | 0];
    }
    return hex32(state.map(function (w) { return w >>> 24 | (w >>> 8 & 0xff00) | (w << 8 & 0xff0000) | w << 24; }));
  }
  function sha1(text) {
    var bytes = padded(bytesOf(text), 64, 8), state = [0x67452301, 0xefcdab89 | 0, 0x98badcfe | 0, 0x10325476, 0xc3d2e1f0 | 0], w = [];
    for (var block = 0; block < bytes.length; block += 64) {
      var a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
      for (var n = 0; n < 80; n++) {
        w[n] = n < 16 ? word(bytes, block + 4 * n) : rotl(w[n - 3] ^ w[n - 8] ^ w[n - 14] ^ w[n - 16], 1);
        var f = n < 20 ? (b & c | ~b & d) + 0x5a827999 : n < 40 ? (b ^ c ^ d) + 0x6ed9eba1 : n < 60 ? (b & c | b & d | c & d) + 0x8f1bbcdc : (b ^ c ^ d) + 0xca62c1d6;
        var sum = rotl(a, 5) + f + e + w[n] | 0;
        e = d; d = c; c = rotl(b, 30); b = a; a = sum;
      }
      state = [a, b, c, d, e].map(function (x, i) { return x + state[i] | 0; });
    }
    return hex32(state);
  }

  // The constants of SHA-2 are the fractions of the square and cube roots of primes, to 64 bits.
  function root(prime, power) {
    var target = BigInt(prime) << BigInt(64 * power), low = 0n, high = 1n << 68n;
    while (low < high) {
      var middle = (low + high + 1n) >> 1n;
      if (middle ** BigInt(power) <= target) { low = middle; } else { high = middle - 1n; }
    }
    return low & 0xffffffffffffffffn;
  }
  function primes(count) {
    var out = [];
    for (var n = 2; out.length < count; n++) { if (out.every(function (p) { return n % p; })) { out.push(n); } }
    return out;
  }
  // SHA-224 and SHA-256 with words of 32 bits, SHA-384 and SHA-512 with 64 bits, as BigInt.
  function sha2(text, size, initial, outputBits) {
    var bits = BigInt(size), mask = (1n << bits) - 1n, wide = size === 64, rounds = wide ? 80 : 64, width = size / 8;
    var k = primes(rounds).map(function (p) { return root(p, 3) >> (64n - bits); });
    var r = wide ? [1, 8, 7, 19, 61, 6, 14, 18, 41, 28, 34, 39] : [7, 18, 3, 17, 19, 10, 6, 11, 25, 2, 13, 22];
    r = r.map(BigInt);
    function rotr(x, n) { return (x >> n | x << (bits - n)) & mask; }
    var bytes = padded(bytesOf(text), width * 16, width * 2), state = initial, w = [];
    for (var block = 0; block < bytes.length; block += width * 16) {
      for (var n = 0; n < rounds; n++) {
        if (n < 16) {
          w[n] = 0n;
          for (var i = 0; i < width; i++) { w[n] = w[n] << 8n | BigInt(bytes[block + width * n + i]); }
        } else {
          var x = w[n - 15], y = w[n - 2];
          w[n] = w[n - 16] + (rotr(x, r[0]) ^ rotr(x, r[1]) ^ x >> r[2]) + w[n - 7] + (rotr(y, r[3]) ^ rotr(y, r[4]) ^ y >> r[5]) & mask;
        }
      }
      var s = state.slice();
      for (n = 0; n < rounds; n++) {
        var t1 = s[7] + (rotr(s[4], r[6]) ^ rotr(s[4], r[7]) ^ rotr(s[4], r[8])) + (s[4] & s[5] ^ (s[4] ^ mask) & s[6]) + k[n] + w[n];
        var t2 = (rotr(s[0], r[9]) ^ rotr(s[0], r[10]) ^ rotr(s[0], r[11])) + (s[0] & s[1] ^ s[0] & s[2] ^ s[1] & s[2]);
        s = [t1 + t2 & mask, s[0], s[1], s[2], s[3] + t1 & mask, s[4], s[5], s[6]];
      }
      state = state.map(function (x, i) { return x + s[i] & mask; });
    }
    return state.map(function (x) { return x.toString(16).padStart(width * 2, "0"); }).join("").slice(0, outputBits / 4);
  }
  var ALGORITHMS = {
    md5: md5, sha1: sha1, base64: function (text) { return kit.base64Text(bytesOf(text)); },
    sha224: function (text) { return sha2(text, 32, primes(16).slice(8).map(function (p) { return root(p, 2) & 0xffffffffn; }), 224); },
    sha256: function (text) { return sha2(text, 32, primes(8).map(function (p) { return root(p, 2) >> 32n; }), 256); },
    sha384: function (text) { return sha2(text, 64, primes(16).slice(8).map(function (p) { return root(p, 2); }), 384); },
    sha512: function (text) { return sha2(text, 64, primes(8).map(function (p) { return root(p, 2); }), 512); },
  };
  kit.methods.text.hash = function (text, algorithm) {
    var name = algorithm === undefined ? "md5" : String(algorithm).toLowerCase(), hash = Object.hasOwn(ALGORITHMS, name) && ALGORITHMS[name];
    if (!hash) { throw new RangeError("hash() knows " + Object.keys(ALGORITHMS).join(", ") + ", not " + JSON.stringify(algorithm) + "; the node crypto knows more"); }
    return hash(text);
  };
})
