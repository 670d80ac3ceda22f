/** What the graph and the list say of a node, or of a group of nodes. Pure. */
import { progressText } from "./event_text.js";
import { elapsed } from "./fold.js";
import { counted, duration, number } from "./page.js";

/** @import { Run, State } from "./types.js" */

/** The worst status comes first. */
const WORST = ["failed", "retrying", "running", "waiting", "cancelled", "completed", "skipped"];
const DONE = new Set(["completed", "skipped"]);
const NAMED = new Set(["failed", "retrying", "running", "waiting", "cancelled"]);

/** @param {Run} run */
export const statusOf = (run) => (run.status === "running" && run.retries.length > 0 ? "retrying" : run.status);

/** Return the state of a node run in a few words. @param {Run} run @param {number} now */
export function runText(run, now) {
  if (run.reusedFrom) return `reused${run.items === undefined ? "" : ` · ${counted(run.items, "item")}`}`;
  if (statusOf(run) === "retrying") return `retrying · attempt ${run.attempt}`;
  if (run.status === "failed") return run.error?.message ?? "failed";
  if (run.status === "running" && run.progress) return progressText(run.progress);
  if (run.status !== "completed") return run.status;
  const took = run.fromCache ? "cache" : duration(elapsed(run, now));
  if (run.failedItems) return `${took} · ${number(run.failedItems)} of ${number(run.items ?? 0)} failed`;
  return `${took} · ${counted(run.items ?? 0, "item")}`;
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
  const text = status ? `${number(done)}/${number(nodes.length)} done` : "";
  return { status, done, text: NAMED.has(status) ? `${number(counts.get(status) ?? 0)} ${status} · ${text}` : text };
}
