/**
 * The critical path over the lanes of the timeline: a line below the runs that are on it, and marks where it goes on to
 * another lane. Where the server adds it up by buckets, there are no marks.
 */
import { data, fetchJson } from "./page.js";
import { HEAD, ROW } from "./timeline.js";
import { gettext } from "./translations.js";

/** @import { View } from "./lanes.js" */
/** @typedef {{node: string, from_ms: number, to_ms: number}} Stretch */
/** @typedef {{from_ms: number, to_ms: number, bucket_ms: number | null, stretches: Stretch[]}} Answer */
/** @typedef {{row: HTMLElement, node: {id: string, name: string}, members: {nodes: string[]} | null}} Lane */
/** @typedef {{lane: number, from: number, to: number}} Line in pixels */

const SVG = "http://www.w3.org/2000/svg";
const BELOW = 22; // pixels from the top of a lane to the line
const MIN_LINE = 3;
const PER_MARK = 6; // pixels between two marks
const DELAY = 150; // ms without a change before the server is asked
const STALE = 5000; // ms after which it is asked again, while the execution runs
const COST = 20; // times that the last answer took

export class PathOverlay {
  /** @type {Lane[]} */
  #lanes = [];
  /** @type {Map<string, number>} by node */
  #places = new Map();
  /** @type {Answer | null} */
  #answer = null;
  #shown = false;
  #drawn = "";
  #isFinal = false; // the execution had ended when the server was asked
  #asked = "";
  #askAgainAt = 0;
  #timer = 0;
  /** @type {(() => void) | null} draws once more */
  #again = null;

  /** @param {HTMLElement} root of the timeline @param {(nodes: Iterable<string>) => void} onPath */
  constructor(root, onPath) {
    this.root = root;
    this.onPath = onPath;
    this.svg = document.createElementNS(SVG, "svg");
    this.svg.setAttribute("class", "path-overlay");
    this.svg.setAttribute("aria-hidden", "true");
    this.lines = document.createElementNS(SVG, "path");
    this.marks = document.createElementNS(SVG, "path");
    this.marks.setAttribute("class", "marks");
    this.svg.append(this.marks, this.lines);
  }

  /** Lie over other lanes. @param {Lane[]} lanes */
  arrange(lanes) {
    this.#lanes = lanes;
    this.#places = new Map();
    lanes.forEach(({ node, members }, place) => {
      for (const id of [node.id, ...(members?.nodes ?? [])]) this.#places.set(id, place);
    });
    this.svg.setAttribute("height", String(HEAD + lanes.length * ROW));
    this.root.append(this.svg);
    this.#drawn = "";
    this.#mark();
  }

  /** @param {boolean} shown */
  show(shown) {
    this.#shown = shown;
    this.svg.toggleAttribute("hidden", !shown);
    this.root.classList.toggle("with-path", shown);
    this.#mark();
    this.#drawn = "";
    this.#again?.();
  }

  /** Say which lanes and nodes are on the path. */
  #mark() {
    const nodes = new Set(this.#shown ? this.#answer?.stretches.map(({ node }) => node) : []);
    const places = new Set([...nodes].map((node) => this.#places.get(node)));
    this.#lanes.forEach(({ row, node }, place) => {
      row.classList.toggle("on-path", places.has(place));
      row.title = places.has(place) ? gettext("{name}: on the critical path", { name: node.name }) : node.name;
    });
    this.onPath(nodes);
  }

  /** @param {View} view @param {number} left of the tracks @param {number} elapsed @param {boolean} ended */
  draw(view, left, elapsed, ended) {
    this.#again = () => this.draw(view, left, elapsed, ended);
    if (!this.#shown) return;
    this.#ask(view, elapsed, ended);
    const key = [view.from, view.to, view.width, left].join();
    if (!this.#answer || key === this.#drawn) return;
    this.#drawn = key;
    this.svg.style.left = `${left}px`;
    this.svg.setAttribute("width", String(view.width));
    const lines = this.#lines(view, this.#answer);
    this.lines.setAttribute("d", lines.map(lineOf).join(""));
    this.marks.setAttribute("d", this.#answer.bucket_ms === null ? marksOf(lines) : "");
  }

  /** Return the lines in sight, in the order of time. Those of a lane that touch each other are one.
   *  @param {View} view @param {Answer} answer @returns {Line[]} */
  #lines({ from, to, width }, answer) {
    const scale = width / (to - from);
    /** @type {Line[]} */
    const lines = [];
    for (const stretch of answer.stretches) {
      const lane = this.#places.get(stretch.node);
      if (lane === undefined || stretch.to_ms < from || stretch.from_ms > to) continue;
      const line = { lane, from: (stretch.from_ms - from) * scale, to: (stretch.to_ms - from) * scale };
      const last = lines.at(-1);
      if (last?.lane === lane && line.from - last.to < 1) last.to = Math.max(last.to, line.to);
      else lines.push(line);
    }
    for (const line of lines) {
      line.from = Math.max(0, Math.min(line.from, width - MIN_LINE));
      line.to = Math.max(line.from + MIN_LINE, Math.min(width, line.to));
    }
    return lines;
  }

  /** Ask the server, if it has not said where the path is within the view; while the execution runs, again and again.
   *  @param {View} view @param {number} elapsed @param {boolean} ended */
  #ask(view, elapsed, ended) {
    const key = [view.from, view.to, ended].join();
    const { bucket_ms: length, from_ms: from, to_ms: to } = this.#answer ?? { bucket_ms: 0, from_ms: 0, to_ms: 0 };
    const known = length === null && from <= Math.max(view.from, 0) && to >= Math.min(view.to, elapsed) - 1;
    const due = ended ? key !== this.#asked && !(known && this.#isFinal) : performance.now() > this.#askAgainAt;
    if (!due) return;
    this.#asked = key;
    this.#askAgainAt = Infinity;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#load(view, key, ended), this.#answer ? DELAY : 0);
  }

  /** @param {View} view @param {string} key @param {boolean} ended */
  async #load(view, key, ended) {
    const begun = performance.now();
    const query = new URLSearchParams({ from_ms: String(view.from), to_ms: String(view.to) });
    query.set("buckets", String(Math.max(20, Math.min(400, Math.round(view.width / 4)))));
    const path = `/api/executions/${data.execution}/critical-path/stretches/?${query}`;
    const found = await fetchJson(path).catch(() => null);
    const now = performance.now();
    this.#askAgainAt = now + Math.max(STALE, COST * (now - begun));
    if (key !== this.#asked) return;
    if (!found) return void (this.#asked = ""); // asked again with the next drawing
    this.#answer = found;
    this.#isFinal = ended;
    this.#drawn = "";
    this.#mark();
    this.#again?.();
  }
}

/** @param {Line} line */
const lineOf = ({ lane, from, to }) =>
  `M${from.toFixed(1)} ${HEAD + lane * ROW + BELOW}h${(to - from).toFixed(1)}v3h-${(to - from).toFixed(1)}z`;

/** Return where the path goes on to another lane. Places that are too near to tell apart are one mark over all their
 *  lanes. @param {Line[]} lines in the order of time */
function marksOf(lines) {
  /** @type {{at: number, first: number, last: number}[]} */
  const marks = [];
  let gaps = "";
  for (let index = 1; index < lines.length; index++) {
    const [before, line, last] = [lines[index - 1], lines[index], marks.at(-1)];
    const [first, final] = [Math.min(before.lane, line.lane), Math.max(before.lane, line.lane)];
    if (last && line.from - last.at < PER_MARK) {
      [last.first, last.last] = [Math.min(last.first, first), Math.max(last.last, final)];
    } else marks.push({ at: line.from, first, last: final });
    if (line.from - before.to >= 1) gaps += `M${before.to.toFixed(1)} ${lineAt(before.lane)}H${line.from.toFixed(1)}`;
  }
  return gaps + marks.map(({ at, first, last }) => `M${at.toFixed(1)} ${lineAt(first)}V${lineAt(last)}`).join("");
}

/** @param {number} lane */
const lineAt = (lane) => HEAD + lane * ROW + BELOW + 1.5;
