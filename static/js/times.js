/** Relative times ("3 min ago", "in 2 h"), and durations that count while something runs. */
import { duration } from "./page.js";

/** @type {[number, string, number][]} limit in seconds, unit, seconds of the unit */
const STEPS = [[60, "s", 1], [3600, "min", 60], [86_400, "h", 3600], [30 * 86_400, "d", 86_400]];
const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });

/** @param {number} seconds in the past; negative in the future @param {Date} time */
function relative(seconds, time) {
  if (seconds > -1 && seconds < 5) return "now";
  const passed = Math.abs(seconds);
  for (const [limit, unit, size] of STEPS) {
    if (passed >= limit) continue;
    const text = `${Math.floor(passed / size)} ${unit}`;
    return seconds < 0 ? `in ${text}` : `${text} ago`;
  }
  return day.format(time);
}

/** Return a `<time>` that `refreshTimes` keeps up to date. @param {string} at */
export function timeElement(at) {
  const time = document.createElement("time");
  time.dateTime = at;
  time.dataset.ago = "";
  return time;
}

/** Write every relative time and every running duration of the page. */
export function refreshTimes() {
  const now = Date.now();
  for (const time of /** @type {NodeListOf<HTMLTimeElement>} */ (document.querySelectorAll("time[data-ago]"))) {
    const date = new Date(time.dateTime);
    time.textContent = relative((now - date.getTime()) / 1000, date);
    time.title ||= date.toLocaleString();
  }
  for (const cell of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-started]"))) {
    const { started = "", ended } = cell.dataset;
    cell.textContent = duration(Math.max(0, (ended ? Date.parse(ended) : now) - Date.parse(started)));
  }
}

setInterval(refreshTimes, 1000);
