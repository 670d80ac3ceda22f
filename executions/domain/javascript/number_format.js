// (1234.5).format("de-DE")
(function (kit) {
  "use strict";
  kit.methods.number.format = kit.formatNumber;
})
