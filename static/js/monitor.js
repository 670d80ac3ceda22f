/** The monitor of an execution: everything on it is drawn from the state that its events are folded into. */
import { showAttributes } from "./attributes.js";
import { showConnection } from "./connection.js";
import { DrawCycle } from "./draw_cycle.js";
import { EventLog } from "./event_log.js";
import { EventStream } from "./event_stream.js";
import { withdrawalText } from "./event_text.js";
import { addRun, apply, emptyState } from "./fold.js";
import { GraphPanel } from "./graph_panel.js";
import { byId, data, element, fetchJson, findById, inputById, messageOf, query, send } from "./page.js";
import { offerPath } from "./path_toggle.js";
import { progressWords, usualWords } from "./progress_text.js";
import { estimate } from "./progress.js";
import "./refresh.js";
import { RunPicker } from "./run_picker.js";
import { earlier, ENDED, search, snapshot, timelineOf } from "./snapshot.js";
import { Timeline } from "./timeline.js";
import { toast } from "./toast.js";
import { gettext } from "./translations.js";
import { statusText } from "./words.js";

/** The player of a replay, loaded where there is one. */
const Player = data.replay ? (await import("./replay.js")).Player : null;

/** @import { Subscription } from "./subscription.js" */
/** @import { Envelope } from "./types.js" */

const REDRAW = 500; // ms, while it runs
const [LONG, TAIL] = [5000, 500]; // a stream with more events is joined this many events before its head
let state = emptyState();
/** @type {Envelope[] | null} events that wait for the snapshot onto which they are folded */
let held = (data.head > LONG && !data.replay) || data.removed ? [] : null;
const skew = Date.now() - Date.parse(data.server_time);
const names = new Map(data.graph.nodes.map((node) => [node.id, node.name]));
const timeline = new Timeline(byId("gantt"), choose, timelineOf);
const panel = new GraphPanel((node) => choose(node), arrange);
timeline.arrange(panel.shown.graph, panel.shown.groups);
const runPicker = new RunPicker(byId("run-picker", HTMLFormElement), data.execution, choose);
for (const [id, act] of Object.entries({ "timeline-in": 1.5, "timeline-out": 1 / 1.5 })) {
  byId(id).addEventListener("click", () => timeline.view.zoom(act));
}
byId("timeline-fit").addEventListener("click", () => timeline.view.fit());
offerPath(timeline, (nodes) => panel.markPath(nodes));
const pathDetails = findById("critical-path", HTMLDetailsElement);
pathDetails?.addEventListener("toggle", () => pathDetails.open && showCriticalPath());
/** @type {import("./inspector.js").Inspector | null} loaded for the first run that is shown */
let inspector = null;
/** @type {Promise<void> | null} */
let loading = null;
/** @type {import("./group_view.js").GroupView | null} loaded for the first group */
let groupView = null;
const log = new EventLog(
  {
    list: byId("log"),
    search: inputById("filter"),
    types: byId("types", HTMLSelectElement),
    level: byId("level"),
    follow: byId("follow"),
    count: byId("count"),
    earlier: byId("earlier"),
  },
  names,
  {
    earlier: (before, limit) => earlier(subscription, before, limit),
    search,
    onComplete: foldAll,
  },
);
/** @type {import("./decisions.js").Decisions | null} loaded for the first decision */
let decisions = null;
/** @type {{node: string, runIndex?: number} | null} */
let chosen = null;
let pausing = data.pausing; // a pause is pending
let drawing = 0; // the sequence of the state that is being drawn

const ended = () => state.endedAt !== null;
const now = () => player?.time ?? Date.now() - skew;

/** The state is drawn in several frames. While it is loaded, the events are here before the rows. */
const cycle = new DrawCycle([drawSummary, () => !held && panel.draw(state, now()), drawPanels, drawLog]);
const schedule = () => cycle.request();

function drawSummary() {
  drawing = state.sequence;
  if (held) return void (byId("progress-text").textContent = gettext("Loading…"));
  if (state.sequence) { // before, the page shows what the server knows
    byId("status").dataset.status = state.status;
    byId("status").textContent = statusText(state.status);
    drawControls();
  }
  if (!player) drawDecisions(); // a replay has nothing to decide
  if (state.sequence && state.status !== "queued") findById("queue")?.replaceChildren();
  drawProgress();
}

async function drawDecisions() {
  if (decisions) return decisions.draw(state);
  const waits = [...state.nodes.values()].some((run) => run.status === "waiting" && run.waitsFor?.kind === "approval");
  if (!waits) return;
  const { Decisions } = await import("./decisions.js");
  decisions ??= new Decisions(byId("decisions"), data.execution);
  decisions.draw(state);
}

async function showCriticalPath() {
  const view = await import("./critical_path.js");
  await view.showCriticalPath(byId("critical-path-content"), names, choose);
}

function drawPanels() {
  if (held) return;
  timeline.draw(state, now());
  if (chosen) inspect();
}

function drawLog() {
  log.over = ended();
  log.draw();
  if (held) return;
  byId("monitor").dataset.sequence = String(drawing); // all of the page shows it
  if (drawing) performance.mark("state drawn");
}

function drawControls() {
  const resumable = state.status === "paused" || pausing;
  const controls = { cancel: true, pause: !resumable, resume: resumable };
  for (const [id, shown] of Object.entries(controls)) findById(id)?.toggleAttribute("hidden", ended() || !shown);
  for (const id of ["rerun", "replay"]) findById(id)?.toggleAttribute("hidden", !ended());
}

function drawProgress() {
  const { completed = 0, total = data.graph.nodes.length } = state.progress ?? {};
  const at = now();
  const found = estimate(state, data.graph, data.expected, at);
  const share = state.status === "completed" ? 1 : ended() ? completed / total : found.share;
  const percent = share === null ? null : Math.floor(share * 100);
  const bar = byId("bar");
  query(bar, "span").style.scale = percent === null ? "" : `${percent / 100} 1`; // without a layout
  bar.classList.toggle("unknown", percent === null && state.status === "running");
  bar.dataset.status = state.status;
  if (percent === null) bar.removeAttribute("aria-valuenow");
  else bar.setAttribute("aria-valuenow", String(percent));
  const text = byId("progress-text");
  text.textContent = progressWords(state, found, percent, completed, total, at, data.expected);
  text.title = usualWords(data.expected);
  showAttributes(state.attributes);
  byId("cached").hidden = !state.cachedFrom;
  if (state.cachedFrom) byId("cached-from", HTMLAnchorElement).href = `/executions/${state.cachedFrom}/`;
  byId("withdrawn").hidden = !state.withdrawn;
  if (state.withdrawn) {
    const deliveries = withdrawalText(state.withdrawn);
    byId("withdrawn").textContent = gettext("Execution cancelled: {deliveries}.", { deliveries });
  }
  byId("error").hidden = !state.error;
  const failed = state.error?.node;
  byId("error-node").textContent = failed ? names.get(failed) ?? failed : statusText(state.status);
  byId("error-message").textContent = state.error?.message ?? "";
  byId("error").title = state.error?.message ?? "";
}

/** @param {string} node or a group of nodes @param {number} [runIndex] without it, always the latest one */
function choose(node, runIndex) {
  chosen = { node, runIndex };
  panel.choose(node);
  inspect();
}

/** Other groups are collapsed. */
function arrange() {
  timeline.arrange(panel.shown.graph, panel.shown.groups);
  if (chosen?.node.startsWith("group ") && !panel.shown.groups.has(chosen.node)) chosen = null;
  schedule();
}

/** Choose the run before or after the chosen one. @param {number} by */
function step(by) {
  if (!chosen) return;
  const latest = state.nodes.get(chosen.node)?.runIndex ?? 0;
  choose(chosen.node, Math.min(Math.max((chosen.runIndex ?? latest) + by, 0), latest));
}

function inspect() {
  if (!chosen) return;
  const { node } = chosen;
  const group = panel.shown.groups.get(node);
  if (group) {
    timeline.choose(node, 0);
    runPicker.show(node, 0, 0);
    inspector?.leave();
    return void showGroup(node, group);
  }
  groupView?.leave();
  const latest = state.nodes.get(node)?.runIndex ?? 0;
  const runIndex = chosen.runIndex ?? latest;
  const missing = state.partial && runIndex < latest && !state.runs.has(`${node}#${runIndex}`);
  if (missing) return void fetchRun(node, runIndex);
  timeline.choose(node, runIndex, panel.drawnAs(node));
  runPicker.show(node, runIndex, latest);
  if (inspector) inspector.show(state, node, runIndex, now());
  else loadInspector();
}

/** Load what shows a node run, and show the chosen one. If it cannot be loaded, the user chooses again. */
function loadInspector() {
  loading ??= import("./inspector.js").then(({ Inspector }) => {
    inspector = new Inspector(byId("inspector"), data.execution, data.graph.nodes, choose, step);
    inspect();
  }, () => {
    chosen = loading = null;
    const text = gettext("Couldn't load the node run. Select it again.");
    byId("inspector").replaceChildren(element("p", { class: "empty" }, text));
  });
}

/** @param {string} id @param {import("./types.js").NodeGroup} group */
async function showGroup(id, group) {
  const { GroupView } = await import("./group_view.js");
  const nodes = new Map(data.graph.nodes.map((node) => [node.id, node]));
  groupView ??= new GroupView(byId("inspector"), nodes, choose, (each) => panel.expand(each));
  if (chosen?.node === id) groupView.show(id, group, state, now());
}

/** Fetch a run that is older than those of the snapshot, and show it. @param {string} node @param {number} runIndex */
async function fetchRun(node, runIndex) {
  const before = state;
  const path = `/api/executions/${data.execution}/nodes/?node=${encodeURIComponent(node)}&run_index=${runIndex}`;
  const [row] = await fetchJson(path).catch(() => []);
  if (row && before === state) addRun(state, row, true);
  if (row) schedule();
}

/** When the execution has ended, show the node that failed, else the last one. */
function chooseLast() {
  schedule();
  if (chosen) return;
  const runs = [...state.runs.values()].filter((run) => run.status !== "skipped" && !run.reusedFrom);
  const last = runs.findLast((run) => run.node === state.error?.node) ??
    runs.findLast((run) => run.status === "failed") ?? runs.at(-1);
  if (last) choose(last.node, last.runIndex);
}

/** Return the node where a rerun "from where it failed" starts. */
function failedNode() {
  const runs = [...state.runs.values()];
  const run = runs.find((each) => each.status === "cancelled") ?? runs.find((each) => each.status === "failed");
  return state.error?.node ?? run?.node ?? null;
}

/** @param {Envelope[]} batch */
function fold(batch) {
  for (const event of batch) apply(state, event);
  if (batch.some((event) => /\.(paused|resumed)$/.test(event.type))) pausing = false;
  schedule();
}

/** The whole stream is here: from now on the state comes from the events, not from rows. @param {Envelope[]} events */
function foldAll(events) {
  if (!state.partial) return;
  state = emptyState();
  panel.restart();
  fold(events);
}

/** Start from a snapshot and fold the events near the head onto it. @param {Envelope[]} waiting */
async function joinLate(waiting) {
  state = await snapshot();
  held = null;
  fold(waiting);
  if (ended()) chooseLast();
}

/** Show only these events: the replay was set back. @param {Envelope[]} events */
function restart(events) {
  state = emptyState();
  panel.reset();
  log.replace(events);
  fold(events);
}

const connection = new EventStream();
showConnection(connection);
const player = Player && data.replay ? new Player(data.replay, { restart, changed: schedule, watch }) : null;
/** @type {Subscription} */
let subscription;

/** @param {number} after */
function watch(after) {
  subscription = connection.subscribe(player?.stream ?? `execution:${data.execution}`, {
    after,
    onBegin: (begun) => player?.begin(begun),
    onReplay: (facts) => player?.update(facts),
    onEvents(batch) {
      log.add(batch);
      player?.add(batch);
      if (held) held.push(...batch);
      else fold(batch);
      schedule();
    },
    onEnd() {
      player?.end();
      if (!held) chooseLast();
    },
    onError: ({ detail }) => toast(detail, "failed"),
  });
}
if (ENDED.has(byId("status").dataset.status ?? "")) loadInspector(); // to be there with the events
watch(held ? data.head - TAIL : 0);
if (held) joinLate(held);
byId("error").addEventListener("click", () => state.error?.node && choose(state.error.node));
const CANCELLING = {
  title: gettext("Cancel this execution?"),
  text: gettext(
    "Running nodes are stopped, and pending deliveries are withdrawn. You cannot undo this; you can rerun it.",
  ),
  verb: gettext("Cancel execution"),
  danger: true,
};
async function sure() {
  const { ask } = await import("./confirmation.js");
  return ask(CANCELLING);
}

for (const action of ["cancel", "pause", "resume"]) {
  findById(action)?.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (action === "cancel" && !(await sure())) return;
    try {
      const execution = await send("POST", `/api/executions/${data.execution}/${action}/`, {});
      pausing = execution.pause_requested;
      if (pausing) toast(gettext("The execution pauses when its running nodes finish."));
    } catch (error) {
      toast(messageOf(error), "failed");
    }
    schedule();
  });
}
/** @type {Promise<import("./rerun.js").RerunDialog> | null} loaded when it is opened */
let rerunDialog = null;
findById("rerun")?.addEventListener("click", async () => {
  const current = () => ({
    failed: failedNode(),
    chosen: chosen?.node ?? null,
    /** @param {string} node */
    ran: (node) => state.nodes.has(node),
  });
  try {
    rerunDialog ??= import("./rerun.js").then(({ RerunDialog }) => new RerunDialog(current));
    (await rerunDialog).open();
  } catch {
    rerunDialog = null;
    toast(gettext("The dialog could not be loaded. Check the connection and try again."), "failed");
  }
});
findById("replay")?.addEventListener("click", async () => {
  const { startedAt, endedAt } = state;
  const took = startedAt && endedAt ? Date.parse(endedAt) - Date.parse(startedAt) : 0;
  const { startReplay } = await import("./replay.js");
  await startReplay(data.execution, took).catch((error) => toast(messageOf(error), "failed"));
});
const linked = new URLSearchParams(location.search); // a link to one of its node runs
const linkedNode = linked.get("node");
if (linkedNode && names.has(linkedNode)) choose(linkedNode, Number(linked.get("run")) || 0);
setInterval(() => !ended() && schedule(), REDRAW);
