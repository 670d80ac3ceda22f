/** The card with a workflow's schedules. It is fetched again when a scheduled time has passed. */
import { element, fetchJson, query } from "./page.js";
import { refreshTimes, timeElement } from "./times.js";

const PAUSE = 2000; // ms between requests
const INTERVAL = 500; // ms between checks

/** @typedef {{node: string, next: string[], last_fired_at: string | null, last_execution: string | null,
 *             last_error: string}} Schedule */

/** @param {ParentNode} row @param {Schedule} schedule */
function show(row, schedule) {
  query(row, "[data-next]").replaceChildren(schedule.next.length ? timeElement(schedule.next[0]) : "–");
  if (schedule.last_fired_at) {
    const last = timeElement(schedule.last_fired_at);
    const execution = schedule.last_execution;
    query(row, "[data-last]").replaceChildren(
      execution ? element("a", { href: `/executions/${execution}/` }, last) : last,
    );
  }
  const error = query(row, "[data-error]");
  error.textContent = schedule.last_error;
  error.hidden = !schedule.last_error;
}

/** @param {HTMLElement} list @param {string} workflow */
export function followSchedules(list, workflow) {
  let requestedAt = 0;

  async function refresh() {
    requestedAt = Date.now();
    try {
      /** @type {Schedule[]} */
      const schedules = await fetchJson(`/api/workflows/${workflow}/schedules/`);
      for (const schedule of schedules) {
        const row = list.querySelector(`[data-node="${CSS.escape(schedule.node)}"]`);
        if (row) show(row, schedule);
      }
      refreshTimes();
    } catch {
      // Offline: the next check tries again.
    }
  }

  /** Whether a scheduled time has passed. */
  function isDue() {
    const times = /** @type {NodeListOf<HTMLTimeElement>} */ (list.querySelectorAll("[data-next] time"));
    return [...times].some((time) => Date.parse(time.dateTime) < Date.now());
  }

  document.addEventListener("activation", refresh);
  setInterval(() => {
    if (!document.hidden && Date.now() - requestedAt > PAUSE && isDue()) refresh();
  }, INTERVAL);
}
