/** Times as people say them ("3 min ago", "in 2 h"), and durations that tick while something runs. */
import { duration } from "./page.js";

const STEPS = [[60, "s", 1], [3600, "min", 60], [86_400, "h", 3600], [30 * 86_400, "d", 86_400]];
const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });

/** @param {number} seconds @param {Date} time */
function ago(seconds, time) {
  if (seconds > -1 && seconds < 5) return "now";
  const passed = Math.abs(seconds);
  for (const [limit, unit, size] of STEPS) {
    if (passed >= limit) continue;
    const said = `${Math.floor(passed / size)} ${unit}`;
    return seconds < 0 ? `in ${said}` : `${said} ago`;
  }
  return day.format(time);
}

/** Write every time and duration on the page anew. */
export function tell() {
  const now = Date.now();
  for (const each of document.querySelectorAll("time[data-ago]")) {
    const time = new Date(each.dateTime);
    each.textContent = ago((now - time) / 1000, time);
    each.title ||= time.toLocaleString();
  }
  for (const each of document.querySelectorAll("[data-started]")) {
    const end = each.dataset.ended ? Date.parse(each.dataset.ended) : now;
    each.textContent = duration(Math.max(0, end - Date.parse(each.dataset.started)));
  }
}

setInterval(tell, 1000);
