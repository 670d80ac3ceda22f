/**
 * Moments as text: one format on every page, 24-hour, in the user's time zone or in UTC, in the language of the page. The switch in the bar decides,
 * per browser. The user's time zone is that of the account, if it has one, else that of the browser.
 *
 * A `<time datetime="…" data-at="minute">` shows its moment in a style; `writeMoments` writes all of them. `times.js`
 * writes relative ones (`data-ago`). Texts that cannot hold elements, as titles, have their moment in `data-said-at` and
 * the rest in `data-said`, with `{}` for the moment.
 */
import { gettext, language } from "./translations.js";

/** @typedef {"clock" | "time" | "minute" | "second" | "day" | "stamp" | "full"} Style
 *  clock 18:01:10.512 · time 18:01:10 · minute Nov 30, 18:01 · second Nov 30, 18:01:10 · day Nov 30, 2026
 *  stamp: the clock, with the day unless it is today · full Nov 30, 2026, 18:01:10.512 GMT+1 */

const STORED = "time-zone";
const HOME = document.documentElement.dataset.timeZone || undefined;

/** Dispatches "change" when the user switches between local time and UTC. */
export const zones = new EventTarget();

let utc = storedChoice() === "utc";

function storedChoice() {
  try {
    return localStorage.getItem(STORED);
  } catch {
    return null; // storage may be off: local time
  }
}

/** Whether times are shown in UTC. */
export const inUtc = () => utc;

/** Switch between local time and UTC, in all pages of this browser. @param {boolean} choice */
export function showUtc(choice) {
  utc = choice;
  try {
    localStorage.setItem(STORED, choice ? "utc" : "local");
  } catch {
    // The choice lasts for this page.
  }
  writeMoments();
  zones.dispatchEvent(new Event("change"));
}

addEventListener("storage", ({ key, newValue }) => {
  if (key !== STORED || (newValue === "utc") === utc) return;
  utc = newValue === "utc";
  writeMoments();
  zones.dispatchEvent(new Event("change"));
});

/** @type {Map<string, Intl.DateTimeFormat>} */
const formats = new Map();

/** @param {boolean} zoneIsUtc */
function formatOf(zoneIsUtc) {
  const key = zoneIsUtc ? "UTC" : "";
  let format = formats.get(key);
  if (!format) {
    /** @param {string | undefined} timeZone */
    const made = (timeZone) =>
      new Intl.DateTimeFormat(language, {
        timeZone,
        year: "numeric",
        month: "short",
        day: "numeric",
        hour: "2-digit",
        minute: "2-digit",
        second: "2-digit",
        fractionalSecondDigits: 3,
        hourCycle: "h23",
        timeZoneName: "short",
      });
    try {
      format = made(zoneIsUtc ? "UTC" : HOME);
    } catch {
      format = made(undefined); // the browser does not know the account's time zone
    }
    formats.set(key, format);
  }
  return format;
}

/** @param {Date} date @param {boolean} zoneIsUtc */
function partsOf(date, zoneIsUtc) {
  /** @type {Record<string, string>} */
  const parts = {};
  for (const { type, value } of formatOf(zoneIsUtc).formatToParts(date)) parts[type] = value;
  const { year, month, day, hour, minute, second, fractionalSecond, timeZoneName } = parts;
  const time = `${hour}:${minute}:${second}`;
  return {
    date: gettext("{month} {day}", { month, day }),
    dated: gettext("{month} {day}, {year}", { month, day, year }),
    year,
    time,
    clock: `${time}.${fractionalSecond}`,
    zone: timeZoneName,
  };
}

/** @param {Date} date @param {Style} style @param {boolean} zoneIsUtc */
function written(date, style, zoneIsUtc) {
  const parts = partsOf(date, zoneIsUtc);
  if (style === "clock") return parts.clock;
  if (style === "time") return parts.time;
  if (style === "day") return parts.dated;
  if (style === "full") return `${parts.dated}, ${parts.clock} ${parts.zone}`;
  const today = partsOf(new Date(), zoneIsUtc);
  const day = parts.year === today.year ? parts.date : parts.dated;
  if (style === "stamp") return day === today.date ? parts.clock : `${day}, ${parts.clock}`;
  return `${day}, ${style === "second" ? parts.time : parts.time.slice(0, 5)}`;
}

/** Return a moment as text. @param {string | number | Date} moment @param {Style} style */
export function momentText(moment, style) {
  const date = new Date(moment);
  return Number.isNaN(date.getTime()) ? "" : written(date, style, utc);
}

/** Return what hovering over a moment shows: local time with its zone, and UTC. @param {string | number | Date} moment */
export function momentTitle(moment) {
  const date = new Date(moment);
  if (Number.isNaN(date.getTime())) return "";
  const [local, universal] = [written(date, "full", false), written(date, "full", true)];
  return local === universal ? universal : `${local}\n${universal}`;
}

/** Return the short name of the zone in which times are shown. */
export const zoneName = () => partsOf(new Date(), utc).zone;

/** Return the name of that zone that holds in summer and winter: Europe/Berlin, UTC. */
export const zoneOfInputs = () => (utc ? "UTC" : formatOf(false).resolvedOptions().timeZone);

/** Return a `<time>` that shows a moment in a style. @param {string} moment @param {Style} style */
export function momentElement(moment, style) {
  const time = document.createElement("time");
  time.dateTime = moment;
  time.dataset.at = style;
  write(time);
  return time;
}

/** @param {HTMLTimeElement} time */
function write(time) {
  time.textContent = momentText(time.dateTime, /** @type {Style} */ (time.dataset.at));
  time.title = momentTitle(time.dateTime);
}

/** Write every moment in a part of the page. @param {ParentNode} [part] */
export function writeMoments(part = document) {
  for (const time of /** @type {NodeListOf<HTMLTimeElement>} */ (part.querySelectorAll("time[data-at]"))) write(time);
  for (const said of /** @type {NodeListOf<HTMLElement | SVGElement>} */ (part.querySelectorAll("[data-said-at]"))) {
    const { said: text = "{}", saidAt = "" } = said.dataset;
    const written = text.replace("{}", momentText(saidAt, "minute"));
    if (said instanceof SVGTitleElement) said.textContent = written;
    else said.setAttribute("title", written);
  }
}

/** Return a moment as an input of type `datetime-local` shows it, to the second, in the zone in which times are shown.
 *  @param {string | number} moment */
export function wallTime(moment) {
  return new Date(wallClock(new Date(moment).getTime())).toISOString().slice(0, "2026-01-01T00:00:00".length);
}

/**
 * Return the moment, in ISO 8601 and UTC, at which clocks in the zone in which times are shown have a time. Of a time
 * that they have twice, it is the first; a time that they skip counts on from before.
 * @param {string} text as an input of type `datetime-local` has it
 */
export function momentOf(text) {
  const wall = Date.parse(`${text}Z`);
  const day = 86_400_000;
  const offsets = [wall - day, wall + day].map((around) => wallClock(around) - around);
  const found = offsets.map((offset) => wall - offset).filter((moment) => wallClock(moment) === wall);
  return new Date(found.length ? Math.min(...found) : wall - offsets[0]).toISOString();
}

/** Return the time that clocks show at a moment, as if it were UTC. @param {number} moment in ms */
function wallClock(moment) {
  /** @type {Record<string, number>} */
  const parts = {};
  const ms = ((moment % 1000) + 1000) % 1000;
  for (const { type, value } of numbersOf(utc).formatToParts(moment)) parts[type] = Number(value);
  return Date.UTC(parts.year, parts.month - 1, parts.day, parts.hour, parts.minute, parts.second) + ms;
}

/** @type {Map<boolean, Intl.DateTimeFormat>} */
const numbers = new Map();

/** @param {boolean} zoneIsUtc */
function numbersOf(zoneIsUtc) {
  let format = numbers.get(zoneIsUtc);
  if (!format) {
    const { timeZone } = formatOf(zoneIsUtc).resolvedOptions();
    const part = "numeric";
    const parts = /** @type {const} */ ({ year: part, month: part, day: part, hour: part, minute: part, second: part });
    format = new Intl.DateTimeFormat("en-US", { timeZone, hourCycle: "h23", ...parts });
    numbers.set(zoneIsUtc, format);
  }
  return format;
}
