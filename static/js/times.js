/** Relative times ("3 min ago", "in 1 h 20 min"), and durations that count while something runs. */
import { momentText, momentTitle, writeMoments } from "./moments.js";
import { duration } from "./page.js";
import { gettext } from "./translations.js";

/** @type {[number, (count: number) => string, number][]} limit in seconds, text of a count, seconds of the unit */
const STEPS = [
  [60, (count) => gettext("{count} s", { count }), 1],
  [3600, (count) => gettext("{count} min", { count }), 60],
  [48 * 3600, (count) => gettext("{count} h", { count }), 3600],
  [30 * 86_400, (count) => gettext("{count} d", { count }), 86_400],
];
const FEW = 10; // of a unit: the next smaller unit is shown too

/** Return the time that is left, not rounded to more or less than it is. @param {number} seconds */
function left(seconds) {
  const whole = Math.floor(seconds);
  const index = STEPS.findIndex(([limit]) => whole < limit);
  const [, text, size] = STEPS[index];
  const count = Math.floor(whole / size);
  const [, smaller, smallerSize] = STEPS[Math.max(0, index - 1)];
  const rest = Math.floor((whole % size) / smallerSize);
  return index > 0 && count < FEW && rest > 0 ? `${text(count)} ${smaller(rest)}` : text(count);
}

/** @param {number} seconds in the past */
function passed(seconds) {
  const [, text, size] = STEPS.find(([limit]) => seconds < limit) ?? STEPS[STEPS.length - 1];
  return text(Math.floor(seconds / size));
}

/**
 * Return a moment relative to now.
 * @param {number} seconds in the past; negative in the future
 * @param {string} moment
 * @param {boolean} due something is to happen then: once it has passed, it is overdue
 */
export function relative(seconds, moment, due) {
  const longest = STEPS[STEPS.length - 1][0];
  if (Math.abs(seconds) >= longest) return momentText(moment, "day");
  if (seconds <= -1) return gettext("in {time}", { time: left(-seconds) });
  if (seconds < 5) return gettext("now");
  const time = passed(seconds);
  return due ? gettext("{time} overdue", { time }) : gettext("{time} ago", { time });
}

/** Return a `<time>` that `refreshTimes` keeps up to date. @param {string} at */
export function timeElement(at) {
  const time = document.createElement("time");
  time.dateTime = at;
  time.dataset.ago = "";
  time.textContent = relative((Date.now() - Date.parse(at)) / 1000, at, false);
  time.title = momentTitle(at);
  return time;
}

/** Write every relative time and every running duration of the page. */
function tick() {
  const now = Date.now();
  for (const time of /** @type {NodeListOf<HTMLTimeElement>} */ (document.querySelectorAll("time[data-ago]"))) {
    const at = Date.parse(time.dateTime);
    const text = relative((now - at) / 1000, time.dateTime, time.dataset.ago === "due");
    if (time.textContent !== text) time.textContent = text;
  }
  for (const cell of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-started]"))) {
    const { started = "", ended } = cell.dataset;
    cell.textContent = duration(Math.max(0, (ended ? Date.parse(ended) : now) - Date.parse(started)));
  }
}

/** Write all times of the page, also those that were swapped in. */
export function refreshTimes() {
  writeMoments();
  for (const time of /** @type {NodeListOf<HTMLTimeElement>} */ (document.querySelectorAll("time[data-ago]"))) {
    time.title = momentTitle(time.dateTime);
  }
  tick();
}

setInterval(tick, 1000);
