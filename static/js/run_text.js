/** What the graph and the list say of a node, or of a group of nodes. Pure. */
import { progressText } from "./event_text.js";
import { elapsed } from "./fold.js";
import { duration } from "./page.js";
import { gettext, ngettext, number } from "./translations.js";
import { statusText } from "./words.js";

/** @import { Run, State } from "./types.js" */

/** The worst status comes first. */
const WORST = ["failed", "retrying", "running", "waiting", "cancelled", "completed", "skipped"];
const DONE = new Set(["completed", "skipped"]);
const NAMED = new Set(["failed", "retrying", "running", "waiting", "cancelled"]);

/** @param {Run} run */
export const statusOf = (run) => (run.status === "running" && run.retries.length > 0 ? "retrying" : run.status);

/** Return the state of a node run in a few words. @param {Run} run @param {number} now */
export function runText(run, now) {
  if (run.reusedFrom) {
    const items = run.items === undefined ? [] : [ngettext("{count} item", "{count} items", run.items)];
    return [gettext("reused"), ...items].join(" · ");
  }
  if (statusOf(run) === "retrying") {
    return `${statusText("retrying")} · ${gettext("attempt {attempt}", { attempt: run.attempt })}`;
  }
  if (run.status === "failed") return run.error?.message ?? statusText("failed");
  if (run.status === "running" && run.progress) return progressText(run.progress);
  if (run.status !== "completed") return statusText(run.status);
  const took = run.fromCache ? gettext("cache") : duration(elapsed(run, now));
  if (run.failedItems) {
    const [failed, all] = [number(run.failedItems), number(run.items ?? 0)];
    return `${took} · ${gettext("{failed} of {all} failed", { failed, all })}`;
  }
  return `${took} · ${ngettext("{count} item", "{count} items", run.items ?? 0)}`;
}

/**
 * Return how the nodes of a group stand: the worst status, and how many nodes have it and are done.
 * @param {string[]} nodes
 * @param {State} state
 */
export function groupState(nodes, state) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const node of nodes) {
    const run = state.nodes.get(node);
    if (run) counts.set(statusOf(run), (counts.get(statusOf(run)) ?? 0) + 1);
  }
  const status = WORST.find((each) => counts.has(each)) ?? "";
  let done = 0;
  for (const each of DONE) done += counts.get(each) ?? 0;
  const text = status ? gettext("{done}/{all} done", { done: number(done), all: number(nodes.length) }) : "";
  return { status, done, text: NAMED.has(status) ? `${statusCount(status, counts.get(status) ?? 0)} · ${text}` : text };
}

/** Return how many have a status: `2 running`. @param {string} status @param {number} count */
export const statusCount = (status, count) =>
  gettext("{count} {status}", { count: number(count), status: statusText(status) });

/** Return what stands at the end of a lane of the timeline: the duration of its run, or how many there are.
 *  @param {Run | undefined} run @param {number} now */
export function laneText(run, now) {
  if (!run) return "";
  if (run.reusedFrom) return gettext("reused");
  if (run.status === "skipped") return statusText("skipped");
  return run.runIndex ? `×${number(run.runIndex + 1)}` : duration(elapsed(run, now));
}
