import { Decisions } from "./decisions.js";
import { EventLog } from "./event_log.js";
import { showConnection } from "./connection.js";
import { EventStream } from "./event_stream.js";
import { LIFECYCLE, takenBack } from "./event_words.js";
import { addRun, apply, emptyState, took } from "./fold.js";
import { renderGraph } from "./graph.js";
import { Inspector } from "./inspector.js";
import { by, counted, data, duration, send } from "./page.js";
import { Player, startReplay } from "./replay.js";
import { RerunDialog } from "./rerun.js";
import { bring, earlier, ofKinds, standing } from "./standing.js";
import { Timeline } from "./timeline.js";
import { tell } from "./times.js";
import { toast } from "./toast.js";

const REDRAW = 500; // ms, while something runs
const REASONS = 2000; // ms, while it is queued
const SHARE = 4; // it draws for a fifth of the time at most
const [LONG, TAIL] = [5000, 500]; // a stream of more events is joined so many before its head
let state = emptyState();
/** @type {import("./event_stream.js").Envelope[] | null} events that wait for the rows on which they are folded */
let held = (data.head > LONG && !data.replay) || data.removed ? [] : null;
const skew = Date.now() - Date.parse(data.server_time);
const names = new Map(data.graph.nodes.map((node) => [node.id, node.name]));
const graph = renderGraph(by("graph"), data.graph, (node) => choose(node));
const timeline = new Timeline(by("gantt"), choose);
const inspector = new Inspector(by("inspector"), data.execution, data.graph.nodes, choose);
const log = new EventLog(
  { list: by("log"), search: by("filter"), types: by("types"), level: by("level"), follow: by("follow"), count: by("count"), earlier: by("earlier") },
  names,
  { earlier: (before, limit) => earlier(subscription, before, limit), lifecycle: () => ofKinds(LIFECYCLE), onComplete: foldAll },
);
const decisions = new Decisions(by("decisions"), data.execution);
let chosen = null;
let pausing = data.pausing; // asked to pause, and not yet paused
let scheduled = false;
let rest = 0; // until when it does not draw

const ended = () => state.endedAt !== null;
const now = () => player?.time ?? Date.now() - skew;

function draw() {
  scheduled = false;
  const begun = performance.now();
  by("monitor").dataset.sequence = state.sequence;
  by("status").dataset.status = by("status").textContent = state.status;
  drawControls();
  if (!player) decisions.draw(state); // in a replay there is nothing to decide
  for (const what of ["rerun", "replay"]) if (by(what)) by(what).hidden = !ended();
  for (const [id, run] of state.nodes) graph.setNode(id, retries(run) ? "retrying" : run.status, words(run), run.runIndex + 1, Boolean(run.takenFrom));
  for (const { edge, items, taken } of state.edges.values()) graph.setEdge(edge, items, !ended() && state.nodes.get(edge.target)?.status === "running", taken);
  if (state.sequence && state.status !== "queued") by("queue").replaceChildren();
  drawProgress();
  timeline.draw(state, now());
  log.over = ended();
  log.draw();
  if (chosen) inspect();
  if (state.sequence) performance.mark("state drawn");
  rest = performance.now() + SHARE * (performance.now() - begun);
}

function drawControls() {
  const resumable = state.status === "paused" || pausing;
  for (const [what, shown] of [["cancel", true], ["pause", !resumable], ["resume", resumable]]) if (by(what)) by(what).hidden = ended() || !shown;
}

function schedule() {
  if (scheduled) return;
  scheduled = true;
  const wait = rest - performance.now();
  if (wait > 0) setTimeout(() => requestAnimationFrame(draw), wait);
  else requestAnimationFrame(draw);
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
  by("taken-back").hidden = !state.takenBack;
  if (state.takenBack) by("taken-back").textContent = `The execution was cancelled: ${takenBack(state.takenBack)}.`;
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
  const latest = state.nodes.get(chosen.node)?.runIndex ?? 0;
  const runIndex = chosen.runIndex ?? latest;
  if (state.partial && runIndex < latest && !state.runs.has(`${chosen.node}#${runIndex}`)) return void bringRun(chosen.node, runIndex);
  timeline.choose(chosen.node, runIndex);
  inspector.show(state, chosen.node, runIndex, now());
}

/** Bring a run that is older than those which the state begins with, and show it. */
async function bringRun(node, runIndex) {
  const whole = state;
  const [row] = await bring(`/api/executions/${data.execution}/nodes/?node=${encodeURIComponent(node)}&run_index=${runIndex}`).catch(() => []);
  if (row && whole === state) addRun(state, row, true);
  if (row) schedule();
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

function fold(batch) {
  for (const event of batch) apply(state, event);
  if (batch.some((event) => /\.(paused|resumed)$/.test(event.type))) pausing = false;
  schedule();
}

/** The whole stream is here: from now on the state is what the events tell, and not what the rows did. */
function foldAll(events) {
  if (!state.partial) return;
  state = emptyState();
  fold(events);
}

/** Begin with how the execution stands; the events near the head bring that up to date, and what follows is folded on. */
async function joinLate() {
  state = await standing();
  const waiting = held;
  held = null;
  fold(waiting);
  if (ended()) chooseTheLast();
}

/** Show these events and no others: a replay was set back. */
function restart(events) {
  state = emptyState();
  graph.reset();
  log.replace(events);
  fold(events);
}

const connection = new EventStream();
showConnection(connection);
const player = data.replay ? new Player({ restart, changed: schedule, again: watch }) : null;
/** @type {import("./subscription.js").Subscription} */
let subscription;

/** @param {number} after */
function watch(after) {
  subscription = connection.subscribe(player?.stream ?? `execution:${data.execution}`, {
    after,
    onBegin: (begun) => player?.begin(begun),
    onReplay: (facts) => player?.tell(facts),
    onEvents(batch) {
      log.add(batch);
      player?.add(batch);
      if (held) held.push(...batch);
      else fold(batch);
      schedule();
    },
    onEnd() {
      player?.end();
      if (!held) chooseTheLast();
    },
    onError: ({ detail }) => toast(detail, "failed"),
  });
}
watch(held ? data.head - TAIL : 0);
if (held) joinLate();
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
by("replay")?.addEventListener("click", async () => {
  const took = Date.parse(state.endedAt) - Date.parse(state.startedAt ?? state.endedAt);
  await startReplay(data.execution, took).catch((error) => toast(error.message, "failed"));
});
const wanted = new URLSearchParams(location.search); // a link to one of its node runs
if (names.has(wanted.get("node"))) choose(wanted.get("node"), Number(wanted.get("run")) || 0);
tell();
if (!player) setTimeout(sayWhyQueued, REASONS);
setInterval(() => !ended() && schedule(), REDRAW);
