import { Decisions } from "./decisions.js";
import { EventLog } from "./event_log.js";
import { EventStream, showConnection } from "./event_stream.js";
import { apply, emptyState, took } from "./fold.js";
import { fromRows } from "./from_rows.js";
import { renderGraph } from "./graph.js";
import { Inspector } from "./inspector.js";
import { by, counted, data, duration, send } from "./page.js";
import { RerunDialog } from "./rerun.js";
import { Timeline } from "./timeline.js";
import { tell } from "./times.js";
import { toast } from "./toast.js";

const REDRAW = 500; // ms, while something runs
const REASONS = 2000; // ms, while it is queued
const state = emptyState();
const skew = Date.now() - Date.parse(data.server_time);
const names = new Map(data.graph.nodes.map((node) => [node.id, node.name]));
const graph = renderGraph(by("graph"), data.graph, (node) => choose(node));
const timeline = new Timeline(by("gantt"), choose);
const inspector = new Inspector(by("inspector"), data.execution, data.graph.nodes, choose);
const log = new EventLog({ list: by("log"), search: by("filter"), types: by("types"), count: by("count") }, names);
const decisions = new Decisions(by("decisions"), data.execution);
let chosen = null;
let pausing = data.pausing; // asked to pause, and not yet paused
let drawn = false;

const ended = () => state.endedAt !== null;
const now = () => Date.now() - skew;

function draw() {
  drawn = false;
  by("monitor").dataset.sequence = state.sequence;
  by("status").dataset.status = by("status").textContent = state.status;
  drawControls();
  decisions.draw(state);
  if (by("rerun")) by("rerun").hidden = !ended();
  for (const [id, run] of state.nodes) graph.setNode(id, retries(run) ? "retrying" : run.status, words(run), run.runIndex + 1, Boolean(run.takenFrom));
  for (const { edge, items, taken } of state.edges.values()) graph.setEdge(edge, items, !ended() && state.nodes.get(edge.target)?.status === "running", taken);
  if (state.sequence && state.status !== "queued") by("queue").replaceChildren();
  drawProgress();
  timeline.draw(state, now());
  log.draw();
  if (chosen) inspect();
}

function drawControls() {
  const resumable = state.status === "paused" || pausing;
  for (const [what, shown] of [["cancel", true], ["pause", !resumable], ["resume", resumable]]) if (by(what)) by(what).hidden = ended() || !shown;
}

function schedule() {
  if (!drawn) requestAnimationFrame(draw);
  drawn = true;
}

const retries = (run) => run.status === "running" && run.retries.length > 0;

/** Say in a few words how a node run stands. */
function words(run) {
  if (run.takenFrom) return `taken over${run.items === undefined ? "" : ` · ${counted(run.items)}`}`;
  if (retries(run)) return `retrying · attempt ${run.attempt}`;
  if (run.status === "failed") return run.error?.message ?? "failed";
  if (run.status !== "completed") return run.status;
  return `${run.fromCache ? "cache" : duration(took(run, now()))} · ${counted(run.items ?? 0)}`;
}

function drawProgress() {
  const { completed = 0, total = data.graph.nodes.length, estimated_remaining_ms: left } = state.progress ?? {};
  const part = state.status === "completed" ? 100 : Math.round((completed / total) * 100);
  by("bar").firstElementChild.style.width = `${part}%`;
  by("bar").dataset.status = state.status;
  by("bar").setAttribute("aria-valuenow", part);
  const begun = state.startedAt ? Date.parse(state.startedAt) : now();
  const text = [`${part}%`, state.cachedFrom ? "served from the cache" : `${completed}/${total} nodes`];
  if (state.summary) text.push(`took ${duration(state.summary.duration_ms)}`);
  else text.push(duration(Math.max(0, now() - begun)), ...(left && state.status === "running" ? [`about ${duration(left)} left`] : []));
  by("progress-text").textContent = text.join(" · ");
  by("cached").hidden = !state.cachedFrom;
  if (state.cachedFrom) by("cached-from").href = `/executions/${state.cachedFrom}/`;
  by("error").hidden = !state.error;
  by("error-node").textContent = state.error?.node ? names.get(state.error.node) ?? state.error.node : state.status;
  by("error-message").textContent = state.error?.message ?? "";
}

/** @param {string} node @param {number} [runIndex] without it, always the latest one */
function choose(node, runIndex) {
  chosen = { node, runIndex };
  graph.choose(node);
  inspect();
}

function inspect() {
  const runIndex = chosen.runIndex ?? state.nodes.get(chosen.node)?.runIndex ?? 0;
  timeline.choose(chosen.node, runIndex);
  inspector.show(state, chosen.node, runIndex, now());
}

/** While it is queued, say why: the limits are used by others, of whom its own stream tells nothing. */
async function sayWhyQueued() {
  if (state.status !== "queued") return;
  const answer = await fetch(`/executions/${data.execution}/queue/`).catch(() => null);
  if (answer?.ok && state.status === "queued") by("queue").innerHTML = await answer.text(); // our own template
  setTimeout(sayWhyQueued, REASONS);
}

/** When the execution has ended, show what people come to see: the node that failed, else the last one. */
function chooseTheLast() {
  schedule();
  if (chosen) return;
  const runs = [...state.runs.values()].filter((run) => run.status !== "skipped" && !run.takenFrom);
  const last = runs.findLast((run) => run.node === state.error?.node) ?? runs.findLast((run) => run.status === "failed") ?? runs.at(-1);
  if (last) choose(last.node, last.runIndex);
}

/** Return the node that a rerun "from where it failed" begins at. */
function failedNode() {
  const runs = [...state.runs.values()];
  return state.error?.node ?? runs.find((run) => run.status === "cancelled")?.node ?? runs.find((run) => run.status === "failed")?.node ?? null;
}

/** Follow the events, from the first one on. */
function watch() {
  const stream = new EventStream();
  showConnection(stream);
  stream.subscribe(`execution:${data.execution}`, {
    onEvents(batch) {
      for (const event of batch) apply(state, event);
      if (batch.some((event) => /\.(paused|resumed)$/.test(event.type))) pausing = false;
      log.add(batch);
      schedule();
    },
    onEnd: chooseTheLast,
  });
}

/** Show what the rows have kept of an execution whose events were removed. */
async function showRows() {
  const path = `/api/executions/${data.execution}/`;
  try {
    const [execution, runs] = await Promise.all([send("GET", path), send("GET", `${path}nodes/`)]);
    Object.assign(state, fromRows(execution, runs));
    chooseTheLast();
  } catch {
    toast("Its node runs could not be fetched.", "failed");
  }
}

if (data.removed) showRows();
else watch();
by("error").addEventListener("click", () => state.error?.node && choose(state.error.node));
for (const what of ["cancel", "pause", "resume"]) {
  by(what)?.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      const said = await send("POST", `/api/executions/${data.execution}/${what}/`, {});
      pausing = said.pause_requested;
      if (pausing) toast("Pauses after the nodes that are at work.");
    } catch (error) {
      toast(error.message, "failed");
    }
    schedule();
  });
}
if (by("rerun")) new RerunDialog(() => ({ failed: failedNode(), chosen: chosen?.node ?? null, ran: (node) => state.nodes.has(node) }));
tell();
setTimeout(sayWhyQueued, REASONS);
setInterval(() => !ended() && schedule(), REDRAW);
