// Time zones. The host passes the transitions of each zone that is used, and the rule that holds after the last one.
(function (kit) {
  "use strict";
  var known = Object.create(null);
  kit.hasAllZones = false;

  function padded(number, width) { return String(Math.abs(number)).padStart(width, "0"); }
  kit.padded = padded;

  kit.offsetText = function (offset, format) {
    var sign = offset < 0 ? "-" : "+", total = Math.abs(offset), hours = Math.floor(total / 60), minutes = Math.floor(total % 60);
    if (format === "narrow") { return sign + hours + (minutes ? ":" + minutes : ""); }
    return sign + padded(hours, 2) + (format === "techie" ? "" : ":") + padded(minutes, 2);
  };

  class Zone {
    get isValid() { return true; }
    get ianaName() { return this.name; }
    formatOffset(ts, format) { return kit.offsetText(this.offset(ts), format); }
    equals(other) { return other instanceof Zone && other.name === this.name; }
    toString() { return this.name; }
    toJSON() { return this.name; }
  }

  class FixedZone extends Zone {
    constructor(minutes) {
      super();
      this.fixed = minutes;
      this.name = minutes === 0 ? "UTC" : "UTC" + kit.offsetText(minutes, "narrow");
    }
    get type() { return "fixed"; }
    get isUniversal() { return true; }
    offset() { return this.fixed; }
    abbreviation() { return this.name; }
  }

  class InvalidZone extends Zone {
    constructor(name) { super(); this.name = name; }
    get type() { return "invalid"; }
    get isValid() { return false; }
    get isUniversal() { return false; }
    offset() { return NaN; }
    abbreviation() { return null; }
  }

  class NamedZone extends Zone {
    constructor(name, data) { super(); this.name = name; Object.defineProperty(this, "data", { value: data }); }
    get type() { return "iana"; }
    get isUniversal() { return false; }
    offset(ts) { return this.data.offsets[this.index(ts)] / 60; }
    abbreviation(ts) { return this.data.names[this.index(ts)]; }
    // The index of the kind of time that holds at a moment.
    index(ts) {
      var at = this.data.at, seconds = Math.floor(ts / 1000);
      if (this.data.rule && (at.length === 0 || seconds >= at[at.length - 1])) { return byRule(this.data.rule, seconds); }
      var low = 0, high = at.length;
      while (low < high) {
        var middle = (low + high) >> 1;
        if (at[middle] <= seconds) { low = middle + 1; } else { high = middle; }
      }
      return low === 0 ? this.data.first : this.data.kinds[low - 1];
    }
  }

  // A rule is [kind of standard time, its offset, kind of summer time, its offset, start, end]; start and end are
  // [month, week, weekday, seconds of the day], in the time that holds before.
  function byRule(rule, seconds) {
    if (rule.length === 2) { return rule[0]; }
    var year = new Date((seconds + rule[1]) * 1000).getUTCFullYear();
    var start = changeOf(year, rule[4]) - rule[1], end = changeOf(year, rule[5]) - rule[3];
    var summer = start < end ? start <= seconds && seconds < end : !(end <= seconds && seconds < start);
    return summer ? rule[2] : rule[0];
  }

  function changeOf(year, change) {
    var first = new Date(Date.UTC(year, change[0] - 1, 1)).getUTCDay();
    var day = 1 + (change[2] - first + 7) % 7 + (change[1] - 1) * 7;
    if (day > new Date(Date.UTC(year, change[0], 0)).getUTCDate()) { day -= 7; }
    return Date.UTC(year, change[0] - 1, day) / 1000 + change[3];
  }

  kit.Zone = Zone;
  kit.UTC = new FixedZone(0);
  kit.addZone = function (name, data) { known[name] = data === null ? new InvalidZone(name) : new NamedZone(name, data); };
  kit.zone = function (given) {
    if (given === undefined || given === null || given === "" || given === "default" || given === "local" || given === "system") { return kit.defaultZone; }
    if (given instanceof Zone) { return given; }
    if (typeof given === "number") { return new FixedZone(given); }
    var name = String(given), upper = name.toUpperCase();
    if (upper === "UTC" || upper === "GMT") { return kit.UTC; }
    var fixed = /^UTC(?:([+-]\d{1,2})(?::?(\d{2}))?)$/.exec(upper);
    if (fixed) { return new FixedZone(kit.signedOffset(fixed[1], fixed[2])); }
    if (!(name in known)) {
      if (kit.hasAllZones || name.length > 64) { return new InvalidZone(name); }
      kit.miss("zone", name);
      throw new RangeError("the time zone " + JSON.stringify(name) + " is not loaded");
    }
    return known[name];
  };
  kit.signedOffset = function (hours, minutes) {
    var whole = parseInt(hours, 10) || 0, part = parseInt(minutes, 10) || 0;
    return whole * 60 + (whole < 0 || Object.is(whole, -0) || String(hours)[0] === "-" ? -part : part);
  };

  // Returns [moment, offset] of a local time. A time that a change skips is moved forward; of two equal local times the
  // one with offset `guess` is taken, if it is one of them.
  kit.fromLocal = function (local, guess, zone) {
    var ts = local - guess * 60000, second = zone.offset(ts);
    if (second === guess) { return [ts, guess]; }
    ts -= (second - guess) * 60000;
    var third = zone.offset(ts);
    if (second === third) { return [ts, second]; }
    return [local - Math.min(second, third) * 60000, Math.max(second, third)];
  };
  // Of two equal local times the first, whatever the offset is today.
  kit.firstOf = function (local, zone) {
    return kit.fromLocal(local, Math.max(zone.offset(local - 86400000), zone.offset(local + 86400000)), zone);
  };
})
