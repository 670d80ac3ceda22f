/** What an event of an execution says, in words and colours. */
import { counted, duration, number } from "./page.js";

/** @typedef {import("./event_stream.js").Envelope} Envelope */

/** The kinds that tell where an execution stands, not what its nodes do: the level "lifecycle". */
export const LIFECYCLE = new Set(["queued", "started", "waiting", "paused", "resumed", "recovered", "cancel_requested", "completed", "failed", "cancelled", "timed_out"]);

const COLOURS = {
  queued: "queued", started: "running", resumed: "running", recovered: "waiting", waiting: "waiting", paused: "paused",
  completed: "completed", failed: "failed", cancelled: "cancelled", timed_out: "timed_out", cancel_requested: "cancelled",
  node_started: "running", node_completed: "completed", node_failed: "failed", node_retrying: "waiting",
  node_skipped: "skipped", node_waiting: "waiting",
};

/** @param {Envelope} event */
export const kindOf = (event) => event.type.replace("execution.", "");

/** Return the status whose colour the event has. @param {Envelope} event */
export const colour = (event) => COLOURS[kindOf(event)] ?? (kindOf(event) === "log" && event.data.level === "error" ? "failed" : "");

/** Say in words what an event tells. @param {Envelope} event */
export function words({ data: d }) {
  if (d.edge) return counted(d.items);
  if (d.method && d.status_code) return [`${d.method}, ${d.status_code}`, d.reason].filter(Boolean).join(" · ");
  if (d.next_attempt) return `attempt ${d.attempt} failed, the next in ${duration(d.delay_ms)}: ${d.error.message}`;
  if (d.error) return d.error.message;
  if (d.cached_from) return `served from the cache in ${duration(d.summary.duration_ms)}`;
  if (d.summary) return `${number(d.summary.nodes_executed)} node runs in ${duration(d.summary.duration_ms)}`;
  if (d.total) return `${d.completed} of ${d.total} nodes`;
  const said = [d.reason, d.message, d.rerun_of ? "a rerun" : null];
  if (d.output_items !== undefined) said.push(`${counted(d.output_items)} in ${duration(d.duration_ms)}`, d.from_cache ? "from the cache" : null);
  else if (d.input_items !== undefined) said.push(`${counted(d.input_items)} in`);
  if (d.trigger) said.push(`by ${d.by ?? d.trigger}`);
  else if (d.worker) said.push(`on ${d.worker}`);
  return said.filter(Boolean).join(" · ");
}

/** Return which node or edge an event is about. @param {Envelope} event @param {Map<string, string>} names of the nodes */
export function about({ data: d }, names) {
  const name = (id) => names.get(id) ?? id;
  if (d.edge) return `${name(d.edge.source)} → ${name(d.edge.target)}`;
  const node = d.name ?? d.node ?? d.error?.node;
  return node ? `${name(node)}${d.run_index ? ` #${d.run_index + 1}` : ""}` : "";
}

/** Return the time of day, local, to the millisecond. @param {string} time */
export function clock(time) {
  const date = new Date(time);
  return `${date.toLocaleTimeString("en-GB")}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}
