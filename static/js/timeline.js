/**
 * The timeline: a lane for each node, on a common axis of time. All lanes are there from the start, so nothing moves
 * while the execution runs; of many, only those in sight are drawn. Runs that are too many to tell apart are added up.
 */
import { marks } from "./axis.js";
import { ExecutionLane } from "./execution_lane.js";
import { drawAnswer, drawRuns, LanePaths, LaneTimes, MARK, Members, nearestOf } from "./lanes.js";
import { data, element } from "./page.js";
import { TimeView } from "./time_view.js";
import { groupState, laneText } from "./run_text.js";
import { Track } from "./tracks.js";

/** @import { Answer } from "./lanes.js" */
/** @import { Graph, GraphNode, NodeGroup, Run, State } from "./types.js" */
/** @typedef {{node: GraphNode, row: HTMLElement, track: Track, took: HTMLElement, times: LaneTimes, drawn: string,
 *             members: Members | null}} Lane */

export const ROW = 28; // pixels, as in timeline.css
export const HEAD = 30 + ROW; // the axis and the row of the execution
const ALL = 40; // lanes that are drawn wherever the timeline is scrolled to
const PER_MARK = 84; // pixels of the axis
const DRAG = 4; // pixels from which a press is a drag
const DELAY = 150; // ms without a change before the server is asked
const STALE = 4000; // ms after which it is asked again, while the execution runs

export class Timeline {
  /** @type {Lane[]} */
  #lanes = [];
  /** @type {import("./path_overlay.js").PathOverlay | null} drawn over the lanes */
  overlay = null;
  #chosen = "";
  #chosenLane = "";
  #axis = element("div", { class: "axis", "aria-hidden": "true" });
  #marks = element("i");
  #whole = new ExecutionLane();
  #axisDrawn = "";
  #width = 0; // of the tracks, in pixels
  #left = 0; // of the tracks, within the root
  #height = 0; // of the root. Kept, as is the place to which it is scrolled: to ask for them costs a layout
  #top = 0;
  /** @type {State | null} */
  #state = null;
  #now = 0;
  #dragged = false;
  /** @type {Answer | null} */
  #answer = null;
  #asked = "";
  #askedAt = 0;
  #timer = 0;

  /**
   * @param {HTMLElement} root
   * @param {(node: string, runIndex?: number) => void} onChoose called with a node or a group
   * @param {(from: number, to: number, buckets: number) => Promise<Answer>} load asks the server for a window
   */
  constructor(root, onChoose, load) {
    this.root = root;
    this.onChoose = onChoose;
    this.load = load;
    this.view = new TimeView(
      root,
      () => ({ left: root.getBoundingClientRect().left + this.#left, width: this.#width }),
      () => this.#redraw(),
    );
    this.#axis.append(this.#marks);
    root.addEventListener("scroll", () => {
      this.#top = root.scrollTop;
      this.#redraw();
    }, { passive: true });
    root.addEventListener("pointerdown", (event) => this.#drag(event));
    new ResizeObserver(() => this.#measure()).observe(root);
  }

  /** Show a lane for each node of a graph, and for each group. @param {Graph} graph
   *  @param {Map<string, NodeGroup>} groups by the id of their node */
  arrange(graph, groups) {
    const { nodes: boxes } = graph.layout;
    const nodes = [...graph.nodes].sort((a, b) => boxes[a.id].x - boxes[b.id].x || boxes[a.id].y - boxes[b.id].y);
    this.#lanes = nodes.map((node) => this.#create(node, groups.get(node.id)));
    this.root.replaceChildren(this.#axis, this.#whole.row, ...this.#lanes.map(({ row }) => row));
    this.overlay?.arrange(this.#lanes);
    this.#redraw();
  }

  /** @param {GraphNode} node @param {NodeGroup} [group] @returns {Lane} */
  #create(node, group) {
    const track = new Track();
    const took = element("small");
    const row = element(
      "button",
      { type: "button", class: "run", title: node.name },
      element("b", {}, node.name),
      track.svg,
      took,
    );
    const lane = {
      node,
      row,
      track,
      took,
      times: new LaneTimes(),
      drawn: "",
      members: group ? new Members(group.nodes) : null,
    };
    row.addEventListener("click", (event) => this.#press(lane, event));
    return lane;
  }

  #measure() {
    const [box, root] = [this.#whole.track.getBoundingClientRect(), this.root.getBoundingClientRect()];
    [this.#width, this.#left, this.#height] = [box.width, box.left - root.left, root.height];
    this.#redraw();
  }

  /** @param {State} state @param {number} now */
  draw(state, now) {
    if (state !== this.#state) this.#begin();
    this.#state = state;
    this.#now = now;
    this.view.reach(this.#elapsed, state.endedAt !== null, this.#queued);
    this.#redraw();
  }

  /** Another state is shown: what was asked for and zoomed to belongs to the one before. */
  #begin() {
    this.#answer = null;
    this.#asked = "";
    this.view.reset();
  }

  get #zero() {
    const state = this.#state;
    return Date.parse(state?.startedAt ?? data.queued_at);
  }

  /** The time between its creation and its start, in ms. */
  get #queued() {
    return this.#state?.startedAt ? Math.max(0, this.#zero - Date.parse(data.queued_at)) : 0;
  }

  get #elapsed() {
    const ended = this.#state?.endedAt;
    return (ended ? Date.parse(ended) : this.#now) - this.#zero;
  }

  #redraw() {
    const state = this.#state;
    if (!state || !this.#width) return;
    this.#drawAxis();
    const [from, to] = this.view.window;
    this.#whole.draw(state, { from, to, width: this.#width }, this.#queued, Math.max(0, this.#elapsed));
    if (state.partial) this.#ask(state);
    const first = Math.max(0, Math.floor((this.#top - HEAD) / ROW));
    const last = Math.ceil((this.#top + this.#height) / ROW);
    const lanes = this.#lanes.length > ALL ? this.#lanes.slice(first, last) : this.#lanes;
    for (const lane of lanes) this.#drawLane(state, lane);
    this.overlay?.draw({ from, to, width: this.#width }, this.#left, this.#elapsed, state.endedAt !== null);
  }

  /** Draw something over the lanes from now on. @param {import("./path_overlay.js").PathOverlay} overlay */
  cover(overlay) {
    this.overlay = overlay;
    overlay.arrange(this.#lanes);
    this.#redraw();
  }

  #drawAxis() {
    const [from, to] = this.view.window;
    const parts = Math.max(2, Math.floor(this.#width / PER_MARK));
    const key = [from, to, parts].join();
    if (key === this.#axisDrawn) return;
    this.#axisDrawn = key;
    this.#marks.replaceChildren(
      ...marks(from, to - (to - from) * 0.03, parts).map(({ at, text }) => {
        const mark = element("span", {}, text);
        mark.style.left = `${((at - from) / (to - from)) * 100}%`;
        return mark;
      }),
    );
    this.root.classList.toggle("zoomed", this.view.isZoomed);
  }

  /** @param {State} state @param {Lane} lane */
  #drawLane(state, lane) {
    const { node, row, took, times, members } = lane;
    const latest = state.nodes.get(node.id);
    const runs = members ? members.runs(state) : state.lanes.get(node.id) ?? [];
    const group = members && groupState(members.nodes, state);
    const status = group?.status ?? latest?.status ?? "";
    if (row.dataset.status !== status) row.dataset.status = status;
    row.classList.toggle("reused", Boolean(latest?.reusedFrom));
    const text = group ? `${group.done}/${members?.nodes.length}` : laneText(latest, this.#now);
    if (took.textContent !== text) took.textContent = text;
    const [from, to] = this.view.window;
    const isSettled = group ? group.done === members?.nodes.length || state.endedAt : latest?.endedAt;
    const settled = isSettled && runs.length === times.starts.length ? "" : this.#now;
    const key = [from, to, this.#width, runs.length, status, settled, this.#chosen, this.#answer?.now_ms].join();
    if (key === lane.drawn && runs === times.runs) return;
    lane.drawn = key;
    times.update(runs, this.#zero, this.#now);
    const paths = new LanePaths({ from, to, width: this.#width });
    const answer = state.partial ? this.#answer : null;
    if (answer) { for (const id of members?.nodes ?? [node.id]) drawAnswer(paths, answer, id, this.#elapsed); }
    drawRuns(paths, times, this.#zero, answer?.now_ms);
    this.#mark(paths, runs, latest);
    lane.track.show(paths.result);
  }

  /** Draw the failed attempts, and where the chosen run is. @param {LanePaths} paths @param {Run[]} runs @param {Run} [latest] */
  #mark(paths, runs, latest) {
    const zero = this.#zero;
    for (const run of runs.length === 1 && latest ? [latest] : []) {
      for (const retry of run.retries) {
        const at = Date.parse(retry.at) - zero;
        paths.bar("mark", at, at, MARK);
      }
    }
    const chosen = runs.find((run) => `${run.node}#${run.runIndex}` === this.#chosen);
    if (!chosen || runs.length < 2) return;
    const end = chosen.endedAt ? Date.parse(chosen.endedAt) : this.#now;
    paths.bar("picked", Date.parse(chosen.startedAt) - zero, end - zero, MARK);
  }

  /** Ask the server for the window, when it has not changed for a moment. @param {State} state */
  #ask(state) {
    const [start, to] = this.view.window;
    const from = Math.max(0, start); // nothing ran before
    if (to <= from) return;
    const key = [from, to, state.endedAt].join();
    const live = !state.endedAt && performance.now() - this.#askedAt > STALE;
    if (key === this.#asked && !live) return;
    this.#asked = key;
    this.#askedAt = performance.now();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(async () => {
      const answer = await this.load(from, to, Math.max(20, Math.min(400, Math.round(this.#width / 4)))).catch(() =>
        null
      );
      if (!answer) this.#asked = ""; // asked again with the next drawing
      if (!answer || key !== this.#asked || state !== this.#state) return;
      this.#answer = answer;
      this.#redraw();
    }, this.#answer ? DELAY : 0);
  }

  /** @param {Lane} lane @param {MouseEvent} event */
  #press(lane, event) {
    if (this.#dragged) return;
    const at = this.view.at(event.clientX);
    const inTrack = event.detail > 0 && event.clientX >= this.root.getBoundingClientRect().left + this.#left;
    if (lane.members) this.onChoose(lane.node.id);
    else this.onChoose(lane.node.id, inTrack ? this.#runAt(lane, at) : undefined);
  }

  /** @param {Lane} lane @param {number} at @returns {number | undefined} */
  #runAt(lane, at) {
    const answer = this.#state?.partial ? this.#answer : null;
    const known = answer && at < answer.now_ms ? nearestOf(answer, lane.node.id, at) : null;
    return known ?? lane.times.nearest(at)?.runIndex;
  }

  /** Pan with the pointer. @param {PointerEvent} event */
  #drag(event) {
    this.#dragged = false;
    if (event.button !== 0 || !this.view.isZoomed || event.pointerType === "touch") return;
    let x = event.clientX;
    const start = x;
    /** @param {PointerEvent} moved */
    const move = (moved) => {
      if (!this.#dragged && Math.abs(moved.clientX - start) < DRAG) return;
      this.#dragged = true;
      this.view.pan((x - moved.clientX) / this.#width);
      x = moved.clientX;
    };
    const stop = () => removeEventListener("pointermove", move);
    addEventListener("pointermove", move);
    for (const end of ["pointerup", "pointercancel"]) addEventListener(end, stop, { once: true });
  }

  /** @param {string} node or group @param {number} runIndex @param {string} [drawnAs] the lane, if it is that of a group */
  choose(node, runIndex, drawnAs = node) {
    const chosen = `${node}#${runIndex}`;
    if (this.#chosen === chosen && this.#chosenLane === drawnAs) return;
    this.#chosen = chosen;
    this.#chosenLane = drawnAs;
    for (const { node: each, row } of this.#lanes) row.classList.toggle("chosen", each.id === drawnAs);
    const run = this.#state?.runs.get(chosen);
    if (run && !run.apart) this.view.reveal(Date.parse(run.startedAt) - this.#zero);
    const place = this.#lanes.findIndex(({ node: each }) => each.id === drawnAs);
    if (place < 0) return;
    const [above, below] = [place * ROW, HEAD + (place + 1) * ROW - this.#height];
    const top = Math.max(below, Math.min(above, this.#top));
    // Does not move the page. In the next frame, as to scroll now may cost a layout.
    if (top !== this.#top) requestAnimationFrame(() => this.root.scrollTop = top);
    this.#redraw();
  }
}
