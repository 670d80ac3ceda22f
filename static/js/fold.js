/** Folds events into the state that the monitor shows. Pure: the same events give the same state, whenever they come. */
export function emptyState() {
  return { sequence: 0, status: "queued", runs: new Map(), nodes: new Map(), edges: new Map(), progress: null, error: null, startedAt: null, endedAt: null, summary: null };
}

const ENDS = { completed: "completed", failed: "failed", cancelled: "cancelled", timed_out: "timed_out" };
const MOVES = { queued: "queued", started: "running", resumed: "running", recovered: "running", waiting: "waiting", paused: "paused", ...ENDS };

/** @param {ReturnType<typeof emptyState>} state @param {import("./event_stream.js").Envelope} event */
export function apply(state, event) {
  const kind = event.type.replace("execution.", "");
  const { data } = event;
  state.sequence = event.sequence;
  if (kind in MOVES) state.status = MOVES[kind];
  if (kind === "started") state.startedAt = event.time;
  if (kind === "progress") state.progress = data;
  if (kind in ENDS) {
    state.endedAt = event.time;
    state.summary = data.summary;
    state.error = data.error ?? null;
    for (const run of state.runs.values()) if (!run.endedAt) Object.assign(run, { status: "cancelled", endedAt: event.time });
    for (const [id, run] of state.nodes) if (run.status === "cancelled") state.nodes.set(id, run);
  }
  if (kind === "data_flow") {
    const key = JSON.stringify(data.edge);
    const before = state.edges.get(key) ?? { edge: data.edge, items: 0 };
    state.edges.set(key, { ...before, items: before.items + data.items });
  }
  if (kind.startsWith("node_")) {
    const key = `${data.node}#${data.run_index}`;
    const run = state.runs.get(key) ?? { node: data.node, name: data.name, runIndex: data.run_index, startedAt: event.time, endedAt: null };
    run.status = { node_started: "running", node_completed: "completed", node_failed: "failed", node_skipped: "skipped", node_waiting: "waiting", node_retrying: "running" }[kind];
    if (["completed", "failed", "skipped"].includes(run.status)) run.endedAt = event.time;
    run.durationMs = data.duration_ms ?? run.durationMs;
    run.items = data.output_items ?? run.items;
    run.error = data.error ?? null;
    state.runs.set(key, run);
    state.nodes.set(data.node, run);
  }
  return state;
}
