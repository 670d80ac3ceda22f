/** The state that the monitor shows, from the rows of an execution whose events were removed. */
import { emptyState } from "./fold.js";

const DONE = ["completed", "failed", "skipped", "cancelled"];

/** @param {any} execution @param {any[]} runs as the API gives them, in the order in which they began
 *  @returns {ReturnType<typeof emptyState>} as `apply` would have made it, but for what only events tell */
export function fromRows(execution, runs) {
  const state = emptyState();
  const { status, error, started_at: startedAt, ended_at: endedAt, cached_from: cachedFrom } = execution;
  Object.assign(state, { sequence: execution.events, status, error, startedAt, endedAt, cachedFrom });
  for (const row of runs) {
    const run = fromRow(row);
    state.runs.set(`${run.node}#${run.runIndex}`, run);
    state.nodes.set(run.node, run);
  }
  const completed = [...state.nodes.values()].filter((run) => DONE.includes(run.status)).length;
  state.progress = { completed, total: execution.nodes_total };
  state.summary = { duration_ms: Date.parse(endedAt) - Date.parse(startedAt ?? execution.queued_at) };
  return state;
}

function fromRow(row) {
  const known = (value) => value ?? undefined;
  return {
    node: row.node, name: row.name, type: row.node_type, runIndex: row.run_index, status: row.status, attempt: row.attempt,
    startedAt: row.started_at ?? row.ended_at, endedAt: row.ended_at, retries: [], waited: false,
    durationMs: known(row.duration_ms), cpuMs: known(row.cpu_ms), memoryBytes: known(row.memory_bytes),
    items: known(row.output_items), outputBytes: known(row.output_bytes),
    fromCache: row.from_cache, takenFrom: row.taken_from, error: row.error,
  };
}
