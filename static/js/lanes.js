/**
 * What a lane of the timeline shows: the runs of a node in a window of time, each with its parts, or how busy the node
 * was where the runs are too many to tell apart. Pure. Times are in ms from the start of the execution.
 */

/** @import { Run, State } from "./types.js" */
/** @typedef {"queue" | "wait" | "retry" | "ran" | "running" | "failed" | "cancelled"} Kind */
/** @typedef {{kind: Kind, from: number, to: number}} Part */
/** @typedef {{from: number, to: number, width: number}} View a window of time, and its width in pixels */
/** @typedef {{bucket: number, runs: number, failed: number, busy: number, run_index: number}} Cell */
/** @typedef {{node: string, run_index: number, status: string, attempt: number, ready_ms: number | null,
 *             start_ms: number, end_ms: number | null, waits: [number, number | null][], failed_ms: number[],
 *             retries: [number, number][]}} RunRow */
/** @typedef {{from_ms: number, to_ms: number, now_ms: number, bucket_ms: number | null, runs: RunRow[],
 *             nodes: Record<string, Cell[]>}} Answer of the server */

const MIN_BAR = 3; // pixels
const CELL = 4; // pixels of a cell where runs are added up
const PER_BAR = 7; // pixels that a run needs to be drawn by itself
const LEVELS = 4;
/** @type {Record<string, [number, number]>} by kind: top and height, in pixels */
const SHAPES = { queue: [4, 2], wait: [3, 4], retry: [3, 4] };
const BAR = /** @type {[number, number]} */ ([0, 10]);
export const MARK = /** @type {[number, number]} */ ([-2, 14]); // a failed attempt, or the chosen run
const FAILED_IN_CELL = /** @type {[number, number]} */ ([7, 3]);
/** @type {Record<string, Kind>} */
const LAST = { failed: "failed", running: "running", waiting: "wait", cancelled: "cancelled" };

/** The runs of a node with their times as numbers, brought up to date with each drawing. */
export class LaneTimes {
  /** @type {Run[]} */
  runs = [];
  /** @type {number[]} */
  starts = [];
  /** @type {number[]} */
  ends = [];
  /** @type {number[]} indexes of runs that have not ended */
  #open = [];
  #zero = NaN;

  /** @param {Run[]} runs @param {number} zero when the execution started @param {number} now both since the epoch */
  update(runs, zero, now) {
    if (runs !== this.runs || zero !== this.#zero) {
      Object.assign(this, { runs, starts: [], ends: [] });
      this.#open = [];
      this.#zero = zero;
    }
    for (let index = this.starts.length; index < runs.length; index++) {
      this.starts.push(Date.parse(runs[index].startedAt) - zero);
      this.ends.push(Infinity);
      this.#open.push(index);
    }
    this.#open = this.#open.filter((index) => {
      const { endedAt } = runs[index];
      this.ends[index] = (endedAt ? Date.parse(endedAt) : now) - zero;
      return !endedAt;
    });
  }

  /** Return the indexes of the runs in a window. @param {number} from @param {number} to */
  within(from, to) {
    const found = [];
    for (let index = 0; index < this.starts.length; index++) {
      if (this.starts[index] <= to && this.ends[index] >= from && isDrawn(this.runs[index])) found.push(index);
    }
    return found;
  }

  /** Return the run that is nearest to a time. @param {number} at @returns {Run | null} */
  nearest(at) {
    let best = null;
    let distance = Infinity;
    for (const index of this.within(-Infinity, Infinity)) {
      const away = Math.max(this.starts[index] - at, at - this.ends[index], 0);
      if (away < distance) [best, distance] = [this.runs[index], away];
    }
    return best;
  }
}

/** The runs of the nodes of a group, in one list that grows. */
export class Members {
  /** @type {Run[]} */
  #runs = [];
  /** @type {Map<string, number>} by node, how many of its runs are in the list */
  #taken = new Map();
  /** @type {State | null} */
  #state = null;

  /** @param {string[]} nodes */
  constructor(nodes) {
    this.nodes = nodes;
  }

  /** @param {State} state */
  runs(state) {
    if (state !== this.#state) {
      this.#state = state;
      this.#runs = [];
      this.#taken.clear();
    }
    for (const node of this.nodes) {
      const lane = state.lanes.get(node) ?? [];
      for (let index = this.#taken.get(node) ?? 0; index < lane.length; index++) this.#runs.push(lane[index]);
      this.#taken.set(node, lane.length);
    }
    return this.#runs;
  }
}

/** @param {Run} run */
const isDrawn = (run) => run.status !== "skipped" && !run.reusedFrom;

/** Return the parts of a run. @param {Run} run @param {number} start @param {number} end @param {number} zero @returns {Part[]} */
export function partsOf(run, start, end, zero) {
  /** @type {Part[]} */
  const parts = [];
  const ready = run.readyAt ? Date.parse(run.readyAt) - zero : start;
  if (start - ready >= 1) parts.push({ kind: "queue", from: ready, to: start });
  let at = start;
  for (const { kind, from, to } of run.pauses) {
    const [begun, over] = [Date.parse(from) - zero, Math.min(end, to ? Date.parse(to) - zero : end)];
    if (begun > at) parts.push({ kind: "ran", from: at, to: begun });
    parts.push({ kind, from: begun, to: over });
    at = over;
  }
  if (end > at || !run.pauses.length) parts.push({ kind: LAST[run.status] ?? "ran", from: at, to: end });
  return parts;
}

/** Return the parts of a run as the server describes it. @param {RunRow} row @param {number} now @returns {Part[]} */
export function partsOfRow(row, now) {
  const end = row.end_ms ?? now;
  /** @type {Part[]} */
  const parts = [];
  const ready = row.ready_ms ?? row.start_ms;
  if (row.start_ms - ready >= 1) parts.push({ kind: "queue", from: ready, to: row.start_ms });
  /** @type {Part[]} */
  const pauses = [
    ...row.waits.map(([from, to]) => ({ kind: /** @type {Kind} */ ("wait"), from, to: to ?? end })),
    ...row.retries.map(([from, to]) => ({ kind: /** @type {Kind} */ ("retry"), from, to: Math.min(to, end) })),
  ];
  let at = row.start_ms;
  for (const { kind, from, to } of pauses.sort((a, b) => a.from - b.from)) {
    if (from > at) parts.push({ kind: "ran", from: at, to: from });
    parts.push({ kind, from: Math.max(from, at), to });
    at = to;
  }
  if (end > at || !pauses.length) parts.push({ kind: LAST[row.status] ?? "ran", from: at, to: end });
  return parts;
}

/** Paths of a lane, by class. */
export class LanePaths {
  /** @type {Map<string, string[]>} */
  #paths = new Map();

  /** @param {View} view */
  constructor(view) {
    this.view = view;
    this.scale = view.width / (view.to - view.from);
  }

  /** @param {string} kind @param {number} from @param {number} to */
  bar(kind, from, to, shape = SHAPES[kind] ?? BAR) {
    const { view, scale } = this;
    if (to < view.from || from > view.to) return;
    const left = Math.max(0, (from - view.from) * scale);
    const width = Math.max(MIN_BAR, Math.min(view.width, (to - view.from) * scale) - left);
    const x = Math.min(left, view.width - MIN_BAR);
    this.#add(kind, `M${x.toFixed(1)} ${shape[0]}h${width.toFixed(1)}v${shape[1]}h-${width.toFixed(1)}z`);
  }

  /** @param {Iterable<Part>} parts */
  parts(parts) {
    for (const { kind, from, to } of parts) this.bar(kind, from, to);
  }

  /** Draw how busy a part of time was, and whether runs failed in it. @param {number} from @param {number} to
   *  @param {number} busy @param {number} failed */
  cell(from, to, busy, failed) {
    const level = Math.min(LEVELS, Math.max(1, Math.ceil(busy * LEVELS)));
    this.bar(`busy-${level}`, from, to, BAR);
    if (failed) this.bar("failed", from, to, FAILED_IN_CELL);
  }

  /** @param {string} kind @param {string} path */
  #add(kind, path) {
    const paths = this.#paths.get(kind) ?? [];
    paths.push(path);
    this.#paths.set(kind, paths);
  }

  /** @returns {Map<string, string>} */
  get result() {
    return new Map([...this.#paths].map(([kind, paths]) => [kind, paths.join("")]));
  }
}

/**
 * Draw the runs that the page holds.
 * @param {LanePaths} paths
 * @param {LaneTimes} lane
 * @param {number} zero
 * @param {number} [since] leave out runs that started before
 */
export function drawRuns(paths, lane, zero, since = -Infinity) {
  const { from, to, width } = paths.view;
  const shown = lane.within(from, to).filter((index) => lane.starts[index] >= since);
  if (shown.length * PER_BAR <= width) {
    for (const index of shown) paths.parts(partsOf(lane.runs[index], lane.starts[index], lane.ends[index], zero));
    return;
  }
  const length = (to - from) / Math.ceil(width / CELL);
  const [busy, failed] = [new Float64Array(Math.ceil(width / CELL) + 1), new Uint32Array(Math.ceil(width / CELL) + 1)];
  for (const index of shown) {
    const [start, end] = [Math.max(from, lane.starts[index]), Math.min(to, lane.ends[index])];
    const last = Math.floor((end - from) / length);
    for (let cell = Math.floor((start - from) / length); cell <= last; cell++) {
      const [left, right] = [from + cell * length, from + (cell + 1) * length];
      busy[cell] += Math.max(Math.min(end, right) - Math.max(start, left), length / 1000) / length;
    }
    if (lane.runs[index].status === "failed") failed[last] += 1;
  }
  busy.forEach((share, cell) => {
    if (share) paths.cell(from + cell * length, from + (cell + 1) * length, share, failed[cell]);
  });
}

/** Draw what the server knows of a node. @param {LanePaths} paths @param {Answer} answer @param {string} node @param {number} now */
export function drawAnswer(paths, answer, node, now) {
  const { bucket_ms: length } = answer;
  if (length === null) {
    for (const row of answer.runs.filter((each) => each.node === node)) {
      paths.parts(partsOfRow(row, now));
      for (const at of row.failed_ms) paths.bar("mark", at, at, MARK);
    }
    return;
  }
  for (const { bucket, busy, failed } of answer.nodes[node] ?? []) {
    const from = answer.from_ms + bucket * length;
    paths.cell(from, from + length, busy, failed);
  }
}

/** Return the index of the run of a node that is nearest to a time, as the server knows. @param {Answer} answer
 *  @param {string} node @param {number} at @returns {number | null} */
export function nearestOf(answer, node, at) {
  const { bucket_ms: length } = answer;
  /** @type {[number, number][]} distance and run index */
  const found = length === null
    ? answer.runs.filter((row) => row.node === node).map((row) => [
      Math.max(row.start_ms - at, at - (row.end_ms ?? answer.now_ms), 0),
      row.run_index,
    ])
    : (answer.nodes[node] ?? []).map((cell) => [
      Math.abs(answer.from_ms + (cell.bucket + 0.5) * length - at),
      cell.run_index,
    ]);
  return found.reduce((best, each) => (each[0] < best[0] ? each : best), [Infinity, /** @type {any} */ (null)])[1];
}
