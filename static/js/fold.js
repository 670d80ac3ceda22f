/** Folds events into the state that the monitor shows. Pure: the same events give the same state, whenever they come.
 *  A state is partial if it was begun from rows: what only the events tell that came before is not in it. */
export function emptyState() {
  return { partial: false, sequence: 0, status: "queued", runs: new Map(), nodes: new Map(), edges: new Map(), progress: null, error: null, startedAt: null, endedAt: null, summary: null, cachedFrom: null, takenBack: null };
}

/** @param {{source: string, source_output: string, target: string, target_input: string}} edge */
export const edgeKey = (edge) => [edge.source, edge.source_output, edge.target, edge.target_input].join("→");

const ENDS = { completed: "completed", failed: "failed", cancelled: "cancelled", timed_out: "timed_out" };
const MOVES = { queued: "queued", started: "running", resumed: "running", recovered: "running", waiting: "waiting", paused: "paused", ...ENDS };
const NODE_STATUS = { node_started: "running", node_completed: "completed", node_failed: "failed", node_skipped: "skipped", node_waiting: "waiting", node_retrying: "running" };

/** @param {ReturnType<typeof emptyState>} state @param {import("./event_stream.js").Envelope} event */
export function apply(state, event) {
  const kind = event.type.replace("execution.", "");
  const { data } = event;
  state.sequence = event.sequence;
  if (kind in MOVES) state.status = MOVES[kind];
  if (kind === "started") state.startedAt = event.time;
  if (kind === "progress") state.progress = data;
  if (kind in ENDS) end(state, event);
  if (data.deliveries && kind.startsWith("cancel")) state.takenBack = data.deliveries;
  if (kind === "data_flow") {
    const key = edgeKey(data.edge);
    const before = state.edges.get(key) ?? { edge: data.edge, items: state.partial ? null : 0, taken: !state.partial };
    const items = before.items === null ? null : before.items + data.items; // of a part, nobody knows the sum
    state.edges.set(key, { ...before, items, taken: before.taken && Boolean(data.taken_from) });
  }
  if (kind in NODE_STATUS) applyToRun(state, event, NODE_STATUS[kind]);
  return state;
}

/** The end of an execution is the end of what still ran in it. */
function end(state, { time, data }) {
  state.endedAt = time;
  state.summary = data.summary;
  state.error = data.error ?? null;
  state.cachedFrom = data.cached_from ?? null;
  for (const run of state.runs.values()) if (!run.endedAt) Object.assign(run, { status: "cancelled", endedAt: time });
}

/** Take over a node run as the API has it. One that is `apart` is older than those that the state holds.
 *  @param {ReturnType<typeof emptyState>} state @param {any} row */
export function addRun(state, row, apart = false) {
  if (row.status === "pending") return;
  const run = {
    node: row.node, name: row.name, type: row.node_type, runIndex: row.run_index, status: row.status, attempt: row.attempt,
    startedAt: row.started_at ?? row.ended_at, endedAt: row.ended_at, retries: [], waited: false, durationMs: row.duration_ms ?? undefined,
    cpuMs: row.cpu_ms, memoryBytes: row.memory_bytes, items: row.status === "completed" ? row.output_items : undefined,
    outputBytes: row.status === "completed" ? row.output_bytes : undefined, fromCache: row.from_cache, takenFrom: row.taken_from, error: row.error, apart,
  };
  const key = `${run.node}#${run.runIndex}`;
  if (row.status === "waiting") run.waitsFor = { kind: row.node_type === "approval" ? "approval" : "time", reason: row.node_type, until: row.wake_at, wait: key };
  state.runs.set(key, run);
  if (!apart && run.runIndex >= (state.nodes.get(run.node)?.runIndex ?? 0)) state.nodes.set(run.node, run);
}

function applyToRun(state, { type, time, data }, status) {
  const key = `${data.node}#${data.run_index}`;
  const run = state.runs.get(key) ?? { node: data.node, name: data.name, type: data.node_type, runIndex: data.run_index, startedAt: time, endedAt: null, attempt: 1, retries: [], waited: false };
  run.status = status;
  if (["completed", "failed", "skipped"].includes(status)) run.endedAt = time;
  run.attempt = data.next_attempt ?? data.attempt ?? run.attempt;
  if (type === "execution.node_retrying") run.retries.push({ attempt: data.attempt, at: time, delayMs: data.delay_ms, error: data.error });
  run.waited ||= status === "waiting";
  if (status === "waiting") run.waitsFor = { kind: data.kind, reason: data.reason, until: data.until, wait: data.wait };
  run.child = data.child ?? run.child;
  run.inputItems = data.input_items ?? run.inputItems;
  run.durationMs = data.duration_ms ?? run.durationMs;
  run.cpuMs = data.cpu_ms ?? run.cpuMs;
  run.memoryBytes = data.memory_bytes ?? run.memoryBytes;
  run.items = data.output_items ?? run.items;
  run.outputBytes = data.output_bytes ?? run.outputBytes;
  run.fromCache = data.from_cache ?? run.fromCache;
  run.takenFrom = data.taken_from ?? null;
  run.error = data.error ?? null;
  state.runs.set(key, run);
  state.nodes.set(data.node, run);
}

/** Return how long a node run took, or has taken so far: the work of one attempt, or all the time if it waited or was
 *  tried again, in ms. @param {number} now */
export function took(run, now) {
  const whole = (run.endedAt ? Date.parse(run.endedAt) : now) - Date.parse(run.startedAt);
  return run.durationMs === undefined || run.waited || run.retries.length ? Math.max(0, whole) : run.durationMs;
}
