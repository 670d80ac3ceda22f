/** The card that says when a workflow is started next: brought anew once that time has come. */
import { element, send } from "./page.js";
import { tell } from "./times.js";

const BETWEEN_REQUESTS = 2000; // ms

/** @typedef {{node: string, next: string[], last_fired_at: string?, last_execution: string?, last_error: string}} Schedule */

const time = (at) => element("time", { datetime: at, "data-ago": "" });

/** @param {HTMLElement} row @param {Schedule} schedule */
function show(row, schedule) {
  row.querySelector("[data-next]").replaceChildren(schedule.next.length ? time(schedule.next[0]) : "–");
  if (schedule.last_fired_at) {
    const last = time(schedule.last_fired_at);
    const run = schedule.last_execution;
    row.querySelector("[data-last]").replaceChildren(run ? element("a", { href: `/executions/${run}/` }, last) : last);
  }
  const error = row.querySelector("[data-error]");
  error.textContent = schedule.last_error;
  error.hidden = !schedule.last_error;
}

/** @param {HTMLElement} list @param {string} workflow */
export function keepTrue(list, workflow) {
  let asked = 0;

  async function bring() {
    asked = Date.now();
    try {
      for (const schedule of await send("GET", `/api/workflows/${workflow}/schedules/`)) {
        const row = list.querySelector(`[data-node="${CSS.escape(schedule.node)}"]`);
        if (row) show(row, schedule);
      }
      tell();
    } catch {
      // Offline: asked again with the next look.
    }
  }

  /** Whether a time that was to come has gone by. */
  function passed() {
    return [...list.querySelectorAll("[data-next] time")].some((each) => new Date(each.dateTime) < Date.now());
  }

  document.addEventListener("activation", bring);
  setInterval(() => !document.hidden && Date.now() - asked > BETWEEN_REQUESTS && passed() && bring(), 500);
}
