/** The words for how far an execution is. */
import { duration } from "./page.js";
import { gettext, ngettext, number } from "./translations.js";

/** @import { Estimate } from "./progress.js" */
/** @import { Expected, State } from "./types.js" */

/**
 * @param {State} state
 * @param {Estimate} found
 * @param {number | null} percent null if nothing is known
 * @param {number} completed nodes
 * @param {number} total nodes
 * @param {number} now
 * @param {Expected} expected
 */
export function progressWords(state, found, percent, completed, total, now, expected) {
  const words = [];
  const { part } = found;
  const running = state.status === "running";
  if (percent !== null && (found.leftMs !== null || !running)) words.push(gettext("{percent}%", { percent }));
  if (running && part) words.push(partWords(part, found.leftMs === null));
  if (state.cachedFrom) words.push(gettext("served from the cache"));
  else words.push(gettext("{completed}/{total} nodes", { completed, total }));
  if (state.summary) words.push(gettext("took {time}", { time: duration(state.summary.duration_ms) }));
  else words.push(duration(Math.max(0, now - (state.startedAt ? Date.parse(state.startedAt) : now))));
  if (found.leftMs !== null) words.push(gettext("about {time} left", { time: roughly(found.leftMs) }));
  const usual = expected.duration_ms;
  if (usual && !state.cachedFrom && (found.late || state.status === "completed")) {
    words.push(gettext("usually {time}", { time: duration(usual.p50) }));
  }
  return words.join(" · ");
}

/** @param {import("./progress.js").Part} part @param {boolean} alone whether its share is the only one that is known */
function partWords({ name, done, total }, alone) {
  const values = { name, done: number(done) };
  const part = ngettext("{name}: {done} of {count} item", "{name}: {done} of {count} items", total, values);
  return alone ? gettext("{part} ({percent}%)", { part, percent: Math.floor((done / total) * 100) }) : part;
}

/** Return a time without a precision that an estimate does not have. @param {number} ms */
function roughly(ms) {
  if (ms <= 1000) return "1 s";
  if (ms <= 60_000) return `${Math.ceil(ms / 1000)} s`;
  const seconds = Math.ceil(ms / 10_000) * 10;
  const minutes = Math.floor(seconds / 60);
  if (minutes >= 60) return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  return minutes < 10 && seconds % 60 ? `${minutes} min ${seconds % 60} s` : `${minutes} min`;
}

/** Say what is usual, and how that is known. @param {Expected} expected */
export function usualWords({ executions, same_version: same, duration_ms: usual }) {
  if (!usual) return gettext("There is no earlier completed execution to estimate the time from.");
  const source = same
    ? ngettext("{count} earlier execution of this version", "{count} earlier executions of this version", executions)
    : ngettext("{count} earlier execution", "{count} earlier executions", executions);
  const [time, most] = [duration(usual.p50), duration(usual.p95)];
  return gettext("Usually {time}; 95% within {most} ({source}).", { time, most, source });
}
