/** The timeline: a bar for each node run, from its start to its end, on a common axis. */
import { elapsed } from "./fold.js";
import { duration, element } from "./page.js";

/** @import { Run, State } from "./types.js" */
/** @typedef {{row: HTMLElement, bar: HTMLElement, took: HTMLElement, track: HTMLElement}} Parts */

const [MAX_ROWS, MAX_ROWS_RUNNING] = [300, 100];
const TICKS = 5;
const MIN_BAR = 4; // pixels, as in monitor.css

/**
 * Return a round step (1, 2 or 5 times a power of ten) that divides `ms` into at most TICKS parts.
 * @param {number} ms
 */
function roundStep(ms) {
  const power = 10 ** Math.floor(Math.log10(ms / TICKS));
  return [1, 2, 5].map((factor) => factor * power).find((step) => ms / step <= TICKS) ?? 10 * power;
}

/** @param {number} ms */
const tick = (ms) => (ms >= 1000 ? `${Number((ms / 1000).toFixed(2))} s` : `${Number(ms.toFixed(2))} ms`);

/** @param {Run} run */
const keyOf = (run) => `${run.node}#${run.runIndex}`;

export class Timeline {
  /** @type {Map<string, Parts>} */
  #rows = new Map();
  #chosen = "";
  #axis = element("div", { class: "axis", "aria-hidden": "true" });

  /** @param {HTMLElement} root @param {(node: string, runIndex: number) => void} onChoose */
  constructor(root, onChoose) {
    this.root = root;
    this.onChoose = onChoose;
  }

  /** @param {State} state @param {number} now */
  draw(state, now) {
    const max = state.endedAt ? MAX_ROWS : MAX_ROWS_RUNNING;
    const runs = [...state.runs.values()].filter((run) => run.status !== "skipped" && !run.apart).slice(-max);
    if (!runs.length) return this.#clear();
    if (!this.#axis.isConnected) this.root.replaceChildren(this.#axis);
    const own = runs.filter((run) => !run.reusedFrom);
    const start = Math.min(...(own.length ? own : runs).map((run) => Date.parse(run.startedAt)));
    const span = Math.max(1, (state.endedAt ? Date.parse(state.endedAt) : now) - start);
    this.#drawAxis(span);
    const keys = new Set(runs.map(keyOf));
    for (const [key, { row }] of this.#rows) {
      if (keys.has(key)) continue;
      row.remove();
      this.#rows.delete(key);
    }
    /** Return a position on the axis in percent. The clocks of browser and server may differ. @param {string} time */
    const position = (time) => Math.max(0, Math.min(100, ((Date.parse(time) - start) / span) * 100));
    for (const run of runs) this.#drawRun(run, position, now);
  }

  #clear() {
    if (!this.#rows.size) return;
    this.#rows.clear();
    this.root.replaceChildren(element("p", { class: "empty" }, "No node runs yet."));
  }

  /** @param {number} span in ms */
  #drawAxis(span) {
    const step = roundStep(span);
    const marks = [];
    for (let at = 0; at <= span * 0.97; at += step) {
      const mark = element("span", {}, at === 0 ? "0" : tick(at));
      mark.style.left = `${(at / span) * 100}%`;
      marks.push(mark);
    }
    this.#axis.replaceChildren(element("i", {}, ...marks));
  }

  /** @param {Run} run @returns {Parts} */
  #create(run) {
    const label = run.runIndex ? `${run.name} #${run.runIndex + 1}` : run.name;
    const [bar, took] = [element("span", { class: "took" }), element("small")];
    const track = element("i", {}, bar);
    const row = element("button", { type: "button", class: "run", title: label }, element("b", {}, label), track, took);
    row.addEventListener("click", () => this.onChoose(run.node, run.runIndex));
    this.root.append(row);
    return { row, bar, took, track };
  }

  /** @param {Run} run @param {(time: string) => number} position @param {number} now */
  #drawRun(run, position, now) {
    const parts = this.#rows.get(keyOf(run)) ?? this.#create(run);
    this.#rows.set(keyOf(run), parts);
    const { row, bar, took, track } = parts;
    const start = position(run.startedAt);
    row.dataset.status = run.status;
    row.classList.toggle("reused", Boolean(run.reusedFrom));
    bar.style.left = `min(${start}%, 100% - ${MIN_BAR}px)`;
    bar.style.width = `${Math.max(0, (run.endedAt ? position(run.endedAt) : 100) - start)}%`;
    while (track.children.length <= run.retries.length) track.append(element("span", { class: "mark" }));
    run.retries.forEach((retry, index) => {
      const mark = /** @type {HTMLElement} */ (track.children[index + 1]);
      mark.style.left = `${position(retry.at)}%`;
      mark.title = `Attempt ${retry.attempt} failed: ${retry.error.message}`;
    });
    took.textContent = run.reusedFrom ? "reused" : duration(elapsed(run, now));
    if (run.reusedFrom) row.title = `${run.name}: output reused from the earlier execution`;
  }

  /** @param {string} node @param {number} runIndex */
  choose(node, runIndex) {
    const chosen = `${node}#${runIndex}`;
    for (const [key, { row }] of this.#rows) row.classList.toggle("chosen", key === chosen);
    const parts = this.#rows.get(chosen);
    if (this.#chosen === chosen || !parts) return;
    this.#chosen = chosen;
    const { row } = parts;
    const above = row.offsetTop - this.#axis.offsetHeight;
    const below = row.offsetTop + row.offsetHeight - this.root.clientHeight;
    this.root.scrollTop = Math.max(below, Math.min(above, this.root.scrollTop)); // does not move the page
  }
}
