// $binary and .binary: the files of items, with n8n's names of their fields beside ours.
(function () {
  "use strict";
  var SAME = { fileName: "name", mimeType: "media_type", fileSize: "size", id: "reference" }, wrap = globalThis.__wrap, listOf = globalThis.__list;
  function filesOf(item) {
    var files = item === undefined || item === null ? undefined : item.$binary;
    if (files === undefined || files === null || typeof files !== "object") { return undefined; }
    return Object.fromEntries(Object.entries(files).map(function (entry) {
      var file = Object.assign({}, entry[1]), dot = String(file.name).lastIndexOf(".");
      Object.keys(SAME).forEach(function (name) { file[name] = file[SAME[name]]; });
      file.fileExtension = dot > 0 ? file.name.slice(dot + 1).toLowerCase() : "";
      file.fileType = String(file.media_type).split("/")[0];
      return [entry[0], file];
    }));
  }
  function define(target, name, get) { Object.defineProperty(target, name, { get: get, configurable: true }); }
  globalThis.__wrap = function (item) {
    var wrapped = wrap(item), files = filesOf(item);
    if (files !== undefined) { wrapped.binary = files; }
    return wrapped;
  };
  globalThis.__list = function () {
    var list = listOf.apply(undefined, arguments);
    define(list, "binary", function () { return list.item === undefined ? undefined : list.item.binary; });
    return list;
  };
  define(globalThis, "$binary", function () { return filesOf(globalThis.__items[globalThis.__index]) || {}; });
})
