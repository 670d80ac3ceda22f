/**
 * Folds events into the state that the monitor shows. Pure: the same events give the same state, in whatever batches
 * they arrive. A state that starts from rows is partial: it lacks what only the earlier events say.
 */

/** @import { Edge, Envelope, Run, State } from "./types.js" */

/** @returns {State} */
export function emptyState() {
  return {
    partial: false,
    sequence: 0,
    status: "queued",
    runs: new Map(),
    nodes: new Map(),
    lanes: new Map(),
    edges: new Map(),
    flowsThrough: 0,
    arrivals: new Map(),
    progress: null,
    error: null,
    startedAt: null,
    endedAt: null,
    summary: null,
    attributes: {},
    cachedFrom: null,
    withdrawn: null,
  };
}

/** @param {Edge} edge */
export const edgeKey = (edge) => [edge.source, edge.source_output, edge.target, edge.target_input].join("→");

/** @type {Record<string, string>} */
const ENDS = { completed: "completed", failed: "failed", cancelled: "cancelled", timed_out: "timed_out" };
/** @type {Record<string, string>} */
const STATUSES = {
  queued: "queued",
  started: "running",
  resumed: "running",
  recovered: "running",
  waiting: "waiting",
  paused: "paused",
  ...ENDS,
};
/** @type {Record<string, string>} */
const NODE_STATUSES = {
  node_started: "running",
  node_completed: "completed",
  node_failed: "failed",
  node_skipped: "skipped",
  node_waiting: "waiting",
  held: "waiting",
  node_retrying: "running",
};

/** @param {State} state @param {Envelope} event */
export function apply(state, event) {
  const kind = event.type.replace("execution.", "");
  const { data } = event;
  state.sequence = event.sequence;
  if (kind in STATUSES) state.status = STATUSES[kind];
  if (kind === "started") state.startedAt = event.time;
  if (kind === "progress") progressed(state, data);
  if (kind in ENDS) end(state, event);
  if (data.deliveries && kind.startsWith("cancel")) state.withdrawn = data.deliveries;
  if (kind === "data_flow") flowed(state, event);
  if (kind in NODE_STATUSES) applyToRun(state, event, NODE_STATUSES[kind]);
  return state;
}

/** Items flow along an edge. A snapshot may have counted them. @param {State} state @param {Envelope} event */
function flowed(state, { sequence, time, data }) {
  state.arrivals.set(data.edge.target, time);
  if (sequence <= state.flowsThrough) return;
  const key = edgeKey(data.edge);
  const counts = !state.partial || state.flowsThrough > 0; // else a partial state does not know the sum
  const before = state.edges.get(key) ?? { edge: data.edge, items: counts ? 0 : null, reused: counts };
  const items = before.items === null ? null : before.items + data.items;
  state.edges.set(key, { ...before, items, reused: before.reused && Boolean(data.taken_from) });
}

/** @param {State} state @param {any} data of a progress event */
function progressed(state, data) {
  state.progress = data;
  const run = data.items && state.runs.get(`${data.items.node}#${data.items.run_index}`);
  if (run) run.progress = data.items;
}

/** An execution ends; what still runs in it ends with it. @param {State} state @param {Envelope} event */
function end(state, { time, data }) {
  state.endedAt = time;
  state.summary = data.summary;
  state.error = data.error ?? null;
  state.cachedFrom = data.cached_from ?? null;
  for (const run of state.runs.values()) {
    if (!run.endedAt) Object.assign(run, { status: "cancelled", endedAt: time, error: null });
  }
}

/**
 * Add a node run as the API describes it. A run that is `apart` is older than those that the state holds.
 * @param {State} state
 * @param {any} row
 */
export function addRun(state, row, apart = false) {
  if (row.status === "pending") return;
  const completed = row.status === "completed";
  /** @type {Run} */
  const run = {
    node: row.node,
    name: row.name,
    type: row.node_type,
    runIndex: row.run_index,
    status: row.status,
    attempt: row.attempt,
    startedAt: row.started_at ?? row.ended_at,
    endedAt: row.ended_at,
    retries: [],
    pauses: [],
    durationMs: row.duration_ms ?? undefined,
    cpuMs: row.cpu_ms,
    memoryBytes: row.memory_bytes,
    cost: row.cost ?? undefined,
    items: completed ? row.output_items : undefined,
    outputBytes: completed ? row.output_bytes : undefined,
    failedItems: row.failed_items,
    fromCache: row.from_cache,
    reusedFrom: row.taken_from,
    error: row.error,
    apart,
  };
  const key = `${run.node}#${run.runIndex}`;
  if (row.status === "waiting") {
    const kind = row.node_type === "approval" ? "approval" : "time";
    run.waitsFor = { kind, reason: row.node_type, until: row.wake_at, wait: key };
  }
  hold(state, key, run);
  if (!apart && run.runIndex >= (state.nodes.get(run.node)?.runIndex ?? 0)) state.nodes.set(run.node, run);
}

/** Add a run, or replace it. @param {State} state @param {string} key @param {Run} run */
function hold(state, key, run) {
  const lane = state.lanes.get(run.node) ?? [];
  if (!lane.length) state.lanes.set(run.node, lane);
  const known = state.runs.get(key);
  if (known && !known.apart) lane[lane.indexOf(known)] = run;
  else if (!run.apart) lane.push(run);
  state.runs.set(key, run);
}

/** @param {State} state @param {Envelope} event @param {string} status */
function applyToRun(state, { type, time, data }, status) {
  const key = `${data.node}#${data.run_index}`;
  /** @type {Run} */
  const run = state.runs.get(key) ?? {
    node: data.node,
    name: data.name,
    type: data.node_type,
    runIndex: data.run_index,
    status,
    startedAt: time,
    endedAt: null,
    attempt: 1,
    retries: [],
    pauses: [],
    readyAt: state.arrivals.get(data.node),
  };
  if (!state.runs.has(key)) hold(state, key, run);
  pauseOrContinue(run, status, type, time, data.delay_ms);
  run.status = status;
  if (["completed", "failed", "skipped"].includes(status)) run.endedAt = time;
  run.attempt = data.next_attempt ?? data.attempt ?? run.attempt;
  if (type === "execution.node_retrying") {
    run.retries.push({ attempt: data.attempt, at: time, delayMs: data.delay_ms, error: data.error });
  }
  if (status === "waiting") {
    run.waitsFor = type === "execution.held"
      ? { kind: "hold", reason: data.reason, until: data.expires_at, wait: data.hold }
      : { kind: data.kind, reason: data.reason, until: data.until, wait: data.wait };
  }
  run.child = data.child ?? run.child;
  run.inputItems = data.input_items ?? run.inputItems;
  run.durationMs = data.duration_ms ?? run.durationMs;
  run.cpuMs = data.cpu_ms ?? run.cpuMs;
  run.memoryBytes = data.memory_bytes ?? run.memoryBytes;
  run.cost = data.cost ?? run.cost;
  run.items = data.output_items ?? run.items;
  run.outputBytes = data.output_bytes ?? run.outputBytes;
  run.failedItems = data.failed_items ?? run.failedItems;
  run.fromCache = data.from_cache ?? run.fromCache;
  run.reusedFrom = data.taken_from ?? null;
  run.error = data.error ?? null;
  if (data.attributes) state.attributes = { ...state.attributes, ...data.attributes };
  state.nodes.set(data.node, run);
}

/**
 * Note when a run waits, for an event or for its next attempt, and when it goes on. No event says that the next attempt
 * begins: the delay does.
 * @param {Run} run
 * @param {string} status
 * @param {string} type
 * @param {string} time
 * @param {number} [delayMs] before the next attempt
 */
function pauseOrContinue(run, status, type, time, delayMs = 0) {
  const last = run.pauses.at(-1);
  const paused = last && !last.to;
  const retries = last?.kind === "retry" && Date.parse(last.to ?? "") > Date.parse(time);
  if (type === "execution.node_retrying") {
    run.pauses.push({ kind: "retry", from: time, to: new Date(Date.parse(time) + delayMs).toISOString() });
  } else if (status === "waiting" && !paused && !retries) run.pauses.push({ kind: "wait", from: time, to: null });
  else if (status !== "waiting" && paused) last.to = time;
}

/**
 * Return how long a node run took, or has taken so far, in ms: from its start to its end, with its waits and retries.
 * @param {Run} run
 * @param {number} now
 */
export function elapsed(run, now) {
  if (run.endedAt && run.durationMs !== undefined) return run.durationMs;
  return Math.max(0, (run.endedAt ? Date.parse(run.endedAt) : now) - Date.parse(run.startedAt));
}
