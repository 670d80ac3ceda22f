/** The text and the colour of an event. */
import { momentText } from "./moments.js";
import { counted, duration, number } from "./page.js";

/** @import { Envelope, ItemProgress, Withdrawal } from "./types.js" */

/** The kinds of the level "lifecycle": they are about the execution, not about its nodes. */
export const LIFECYCLE = new Set([
  "queued",
  "started",
  "waiting",
  "paused",
  "resumed",
  "recovered",
  "cancel_requested",
  "completed",
  "failed",
  "cancelled",
  "timed_out",
]);

/** @type {Record<string, string>} */
const COLOURS = {
  queued: "queued",
  started: "running",
  resumed: "running",
  recovered: "waiting",
  waiting: "waiting",
  paused: "paused",
  completed: "completed",
  failed: "failed",
  cancelled: "cancelled",
  timed_out: "timed_out",
  cancel_requested: "cancelled",
  node_started: "running",
  node_completed: "completed",
  node_failed: "failed",
  node_retrying: "waiting",
  node_skipped: "skipped",
  node_waiting: "waiting",
};

/** @param {Envelope} event */
export const kindOf = (event) => event.type.replace("execution.", "");

/** Return the status whose colour the event has. @param {Envelope} event */
export function colour(event) {
  const kind = kindOf(event);
  return COLOURS[kind] ?? (kind === "log" && event.data.level === "error" ? "failed" : "");
}

/** Say what a cancellation did to the deliveries of the execution. @param {Withdrawal} deliveries */
export function withdrawalText({ withdrawn, arrived, under_way: inFlight }) {
  return [
    `${counted(withdrawn, "delivery", "deliveries")} withdrawn`,
    arrived ? `${number(arrived)} already delivered` : "",
    inFlight ? `${number(inFlight)} in flight, which may still arrive` : "",
  ].filter(Boolean).join(", ");
}

/** Say how far a node run is. @param {ItemProgress} items */
export function progressText({ completed, failed, total }) {
  return `${number(completed)} of ${failed ? `${number(total)} · ${number(failed)} failed` : counted(total, "item")}`;
}

const MOMENT = /\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)/g;

/** Return a text of the server with its times as the pages show them. @param {string} text */
export const withMoments = (text) => text.replace(MOMENT, (moment) => momentText(moment, "second"));

/** Return the details of an event in a few words. @param {Envelope} event */
export function summary({ data: d }) {
  if (d.edge) return counted(d.items, "item");
  if (d.method && d.status_code) return [`${d.method}, ${d.status_code}`, d.reason].filter(Boolean).join(" · ");
  if (d.next_attempt) return `attempt ${d.attempt} failed, next in ${duration(d.delay_ms)}: ${d.error.message}`;
  if (d.error) return d.error.message;
  if (d.cached_from) return `served from the cache in ${duration(d.summary.duration_ms)}`;
  if (d.deliveries?.left) return `${d.reason} · ${withdrawalText(d.deliveries)}`;
  if (d.summary) return `${counted(d.summary.nodes_executed, "node run")} in ${duration(d.summary.duration_ms)}`;
  if (d.items?.total) return progressText(d.items);
  if (d.total) return `${d.completed} of ${d.total} nodes`;
  const parts = [d.reason && withMoments(d.reason), d.message, d.rerun_of ? "rerun" : null];
  if (d.output_items !== undefined) {
    parts.push(`${counted(d.output_items, "item")} in ${duration(d.duration_ms)}`, d.from_cache ? "cached" : null);
    if (d.failed_items) parts.push(`${counted(d.failed_items, "input item")} failed`);
  } else if (d.input_items !== undefined) parts.push(`input: ${counted(d.input_items, "item")}`);
  if (d.trigger) parts.push(`by ${d.by ?? d.trigger}`);
  else if (d.worker) parts.push(`on ${d.worker}`);
  return parts.filter(Boolean).join(" · ");
}

/**
 * Return the node or edge that an event is about.
 * @param {Envelope} event
 * @param {Map<string, string>} names of the nodes
 */
export function subject({ data: d }, names) {
  /** @param {string} id */
  const name = (id) => names.get(id) ?? id;
  if (d.edge) return `${name(d.edge.source)} → ${name(d.edge.target)}`;
  const node = d.name ?? d.node ?? d.error?.node ?? d.items?.node;
  const runIndex = d.run_index ?? d.items?.run_index;
  return node ? `${name(node)}${runIndex ? ` #${runIndex + 1}` : ""}` : "";
}
