import { EventStream, showConnection } from "./event_stream.js";
import { apply, emptyState } from "./fold.js";
import { renderGraph } from "./graph.js";
import { by, data, duration, element, send } from "./page.js";

const LOG_ROWS = 1000;
const state = emptyState();
const events = [];
const skew = Date.now() - Date.parse(data.server_time);
const graph = renderGraph(by("graph"), data.graph, choose);
let chosen = null;
let shownRun = "";
let drawn = false;

const ended = () => state.endedAt !== null;
const counted = (items) => `${items} item${items === 1 ? "" : "s"}`;
const now = () => Date.now() - skew;

function draw() {
  drawn = false;
  by("monitor").dataset.sequence = state.sequence;
  by("status").dataset.status = by("status").textContent = state.status;
  if (by("cancel")) by("cancel").hidden = ended();
  for (const [id, run] of state.nodes) {
    const count = run.runIndex > 0 ? ` · run ${run.runIndex + 1}` : "";
    graph.setNode(id, run.status, run.durationMs === undefined ? run.status : `${duration(run.durationMs)} · ${counted(run.items ?? 0)}${count}`);
  }
  for (const { edge, items } of state.edges.values()) graph.setEdge(edge, items, !ended() && state.nodes.get(edge.target)?.status === "running");
  drawProgress();
  drawGantt();
  drawLog();
  if (chosen) inspect();
}

function schedule() {
  if (!drawn) requestAnimationFrame(draw);
  drawn = true;
}

function drawProgress() {
  const { completed = 0, total = data.graph.nodes.length, estimated_remaining_ms: left } = state.progress ?? {};
  const part = state.status === "completed" ? 100 : Math.round((completed / total) * 100);
  by("bar").firstElementChild.style.width = `${part}%`;
  by("bar").setAttribute("aria-valuenow", part);
  const begun = state.startedAt ? Date.parse(state.startedAt) : now();
  const text = [`${part}%`, `${completed}/${total} nodes`];
  if (state.summary) text.push(`took ${duration(state.summary.duration_ms)}`);
  else text.push(duration(Math.max(0, now() - begun)), ...(left && state.status === "running" ? [`about ${duration(left)} left`] : []));
  by("progress-text").textContent = text.join(" · ");
  by("error").hidden = !state.error;
  by("error").textContent = state.error ? `${state.error.node ? `${state.error.node}: ` : ""}${state.error.message}` : "";
}

function drawGantt() {
  const runs = [...state.runs.values()].filter((run) => run.status !== "skipped");
  if (!runs.length) return;
  const from = Math.min(...runs.map((run) => Date.parse(run.startedAt)));
  const to = Math.max(from + 1, ended() ? Date.parse(state.endedAt) : now());
  by("gantt").replaceChildren(...runs.slice(-300).map((run) => {
    const start = Date.parse(run.startedAt);
    const end = run.endedAt ? Date.parse(run.endedAt) : to;
    const bar = element("span", { "data-status": run.status });
    bar.style.left = `${((start - from) / (to - from)) * 100}%`;
    bar.style.width = `${((end - start) / (to - from)) * 100}%`;
    const label = run.runIndex ? `${run.name} #${run.runIndex + 1}` : run.name;
    const row = element("div", { title: label }, element("b", {}, label), element("i", {}, bar), element("small", {}, duration(run.durationMs ?? end - start)));
    row.addEventListener("click", () => choose(run.node, run.runIndex));
    return row;
  }));
}

function drawLog() {
  const wanted = by("filter").value.toLowerCase();
  const log = by("log");
  const follows = log.scrollTop + log.clientHeight >= log.scrollHeight - 30;
  const fitting = wanted ? events.filter((e) => `${e.type} ${JSON.stringify(e.data)}`.toLowerCase().includes(wanted)) : events;
  log.replaceChildren(...fitting.slice(-LOG_ROWS).map((e) => element("li", {},
    element("span", {}, String(e.sequence)), element("span", {}, e.time.slice(11, 23)),
    element("b", {}, e.type.replace("execution.", "")), element("span", {}, describe(e)))));
  if (follows) log.scrollTop = log.scrollHeight;
}

function describe({ data: d }) {
  if (d.edge) return `${d.edge.source} → ${d.edge.target}: ${counted(d.items)}`;
  if (d.error) return d.error.message;
  if (d.summary) return `${d.summary.nodes_executed} node runs in ${duration(d.summary.duration_ms)}`;
  if (d.total) return `${d.completed} of ${d.total}`;
  return [d.name ?? d.node, d.reason, d.output_items === undefined ? null : counted(d.output_items), d.message].filter(Boolean).join(" · ");
}

function choose(node, runIndex) {
  chosen = { node, runIndex };
  graph.choose(node);
  shownRun = "";
  inspect();
}

async function inspect() {
  const last = state.nodes.get(chosen.node);
  if (!last) return;
  const runIndex = chosen.runIndex ?? last.runIndex;
  const run = state.runs.get(`${chosen.node}#${runIndex}`);
  const key = `${chosen.node}#${runIndex}#${run.status}`;
  if (key === shownRun) return;
  shownRun = key;
  const answer = await fetch(`/api/executions/${data.execution}/nodes/${encodeURIComponent(chosen.node)}/output/?run_index=${runIndex}`);
  if (!answer.ok || key !== shownRun) return;
  const said = await answer.json();
  const parts = [];
  for (const [title, lists] of [["Input", said.inputs], ["Output", said.outputs]])
    for (const [name, items] of Object.entries(lists))
      parts.push(element("small", {}, `${title} ${name} · ${items.length} of ${said.totals[title === "Input" ? "inputs" : "outputs"][name]} items`), element("pre", {}, JSON.stringify(items, null, 2)));
  if (said.error) parts.unshift(element("p", { class: "error" }, said.error.message));
  by("inspector").replaceChildren(element("h2", {}, `${run.name}${runIndex ? ` · run ${runIndex + 1}` : ""} · ${said.status} · attempt ${said.attempt}`), ...parts);
}

const stream = new EventStream();
showConnection(stream);
stream.subscribe(`execution:${data.execution}`, {
  onEvents(batch) {
    for (const event of batch) apply(state, event);
    events.push(...batch);
    schedule();
  },
  onEnd: schedule,
});
by("filter").addEventListener("input", schedule);
by("cancel")?.addEventListener("submit", async (event) => {
  event.preventDefault();
  await send("POST", `/api/executions/${data.execution}/cancel/`, {});
});
setInterval(() => !ended() && schedule(), 500);
