// Extension methods of numbers, booleans and objects.
(function (kit) {
  "use strict";
  var number = kit.methods.number, boolean = kit.methods.boolean, object = kit.methods.object;

  function whole(value, name) {
    if (!Number.isInteger(value)) { throw new RangeError(name + "() needs a whole number, not " + value); }
    return Math.abs(value);
  }
  number.abs = Math.abs;
  number.ceil = Math.ceil;
  number.floor = Math.floor;
  number.round = function (value, decimals) { return Number(value.toFixed(decimals === undefined ? 0 : decimals)); };
  number.isInteger = Number.isInteger;
  number.isEven = function (value) { return whole(value, "isEven") % 2 === 0; };
  number.isOdd = function (value) { return whole(value, "isOdd") % 2 === 1; };
  number.toBoolean = function (value) { return value !== 0; };
  number.toInt = function (value) { return number.round(value); };
  number.toFloat = number.toNumber = function (value) { return value; };
  boolean.toNumber = boolean.toInt = boolean.toFloat = Number;
  boolean.toBoolean = function (value) { return value; };

  function entriesOf(value, keep) { return Object.fromEntries(Object.entries(value).filter(function (entry) { return keep(entry[1], entry[0]); })); }
  function part(value, name) {
    if (typeof value !== "string" || value === "") { throw new TypeError(name + "() needs a text that is not empty"); }
    return value;
  }
  object.keys = Object.keys;
  object.values = Object.values;
  object.hasField = function (value, name) { return Object.hasOwn(value, name); };
  object.removeField = function (value, name) { return entriesOf(value, function (_, key) { return key !== String(name); }); };
  object.removeFieldsContaining = function (value, text) {
    part(text, "removeFieldsContaining");
    return entriesOf(value, function (inner) { return !(typeof inner === "string" && inner.includes(text)); });
  };
  object.keepFieldsContaining = function (value, text) {
    part(text, "keepFieldsContaining");
    return entriesOf(value, function (inner) { return typeof inner === "string" && inner.includes(text); });
  };
  object.merge = function (value, other) {
    if (other === null || typeof other !== "object") { throw new TypeError("merge() needs an object"); }
    return Object.assign({}, value, other, value);
  };
  kit.compactObject = object.compact = function (value) {
    if (Array.isArray(value)) { return value; }
    return Object.fromEntries(Object.entries(value).filter(function (entry) { return !kit.isEmpty(entry[1]) && entry[1] !== "nil"; })
      .map(function (entry) { return [entry[0], entry[1] && typeof entry[1] === "object" ? object.compact(entry[1]) : entry[1]]; }));
  };
  object.toJsonString = function (value) { return JSON.stringify(value); };
  function formEncoded(text) {
    return encodeURIComponent(String(text).toWellFormed()).replace(/%20/g, "+")
      .replace(/[!'()~]/g, function (c) { return "%" + c.charCodeAt(0).toString(16).toUpperCase(); });
  }
  object.urlEncode = function (value) {
    return Object.entries(value).map(function (entry) { return formEncoded(entry[0]) + "=" + formEncoded(entry[1]); }).join("&");
  };
})
