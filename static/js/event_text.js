/** The text and the colour of an event. */
import { momentText } from "./moments.js";
import { duration, number } from "./page.js";
import { gettext, ngettext } from "./translations.js";
import { triggerText } from "./words.js";

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
    ngettext("{count} delivery withdrawn", "{count} deliveries withdrawn", withdrawn),
    arrived ? gettext("{count} already delivered", { count: number(arrived) }) : "",
    inFlight ? gettext("{count} in flight, which may still arrive", { count: number(inFlight) }) : "",
  ].filter(Boolean).join(", ");
}

/** Say how far a node run is. @param {ItemProgress} items */
export function progressText({ completed, failed, total }) {
  const done = number(completed);
  if (!failed) return ngettext("{done} of {count} item", "{done} of {count} items", total, { done });
  return gettext("{done} of {total} · {failed} failed", { done, total: number(total), failed: number(failed) });
}

const MOMENT = /\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)/g;

/** Return a text of the server with its times as the pages show them. @param {string} text */
export const withMoments = (text) => text.replace(MOMENT, (moment) => momentText(moment, "second"));

/** @param {number} count */
const itemsText = (count) => ngettext("{count} item", "{count} items", count);

/** Return the details of an event in a few words. @param {Envelope} event */
export function summary({ data: d }) {
  if (d.edge) return itemsText(d.items);
  if (d.method && d.status_code) return [`${d.method}, ${d.status_code}`, d.reason].filter(Boolean).join(" · ");
  if (d.next_attempt) {
    const values = { number: d.attempt, delay: duration(d.delay_ms), error: d.error.message };
    return gettext("attempt {number} failed, next in {delay}: {error}", values);
  }
  if (d.error) return d.error.message;
  if (d.cached_from) {
    return gettext("served from the cache in {duration}", { duration: duration(d.summary.duration_ms) });
  }
  if (d.deliveries?.left) return `${d.reason} · ${withdrawalText(d.deliveries)}`;
  if (d.summary) {
    const time = duration(d.summary.duration_ms);
    return ngettext("{count} node run in {time}", "{count} node runs in {time}", d.summary.nodes_executed, { time });
  }
  if (d.items?.total) return progressText(d.items);
  if (d.total) return gettext("{count} of {total} nodes", { count: d.completed, total: d.total });
  const parts = [d.reason && withMoments(d.reason), d.message, d.rerun_of ? gettext("rerun") : null];
  if (d.output_items !== undefined) {
    const time = duration(d.duration_ms);
    parts.push(ngettext("{count} item in {time}", "{count} items in {time}", d.output_items, { time }));
    if (d.from_cache) parts.push(gettext("cached"));
    if (d.failed_items) parts.push(ngettext("{count} input item failed", "{count} input items failed", d.failed_items));
  } else if (d.input_items !== undefined) parts.push(gettext("input: {items}", { items: itemsText(d.input_items) }));
  if (d.trigger) parts.push(gettext("by {who}", { who: d.by ?? triggerText(d.trigger) }));
  else if (d.worker) parts.push(gettext("on {worker}", { worker: d.worker }));
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
