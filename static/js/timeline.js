/** The timeline: a bar for each node run, from its start to its end, over a common axis. */
import { took } from "./fold.js";
import { duration, element } from "./page.js";

const [MOST_ROWS, MOST_ROWS_RUNNING] = [300, 100];
const TICKS = 5;
const THINNEST = 4; // pixels, as in monitor.css

/** Return a round step (1, 2 or 5 times a power of ten) that divides `ms` into at most TICKS parts. */
function roundStep(ms) {
  const power = 10 ** Math.floor(Math.log10(ms / TICKS));
  return [1, 2, 5, 10].map((times) => times * power).find((step) => ms / step <= TICKS);
}

/** @param {number} ms */
function tick(ms) {
  return ms >= 1000 ? `${Number((ms / 1000).toFixed(2))} s` : `${Number(ms.toFixed(2))} ms`;
}

export class Timeline {
  /** @param {HTMLElement} root @param {(node: string, runIndex: number) => void} onChoose */
  constructor(root, onChoose) {
    this.root = root;
    this.onChoose = onChoose;
    this.rows = new Map();
    this.axis = element("div", { class: "axis", "aria-hidden": "true" });
  }

  /** @param {ReturnType<typeof import("./fold.js").emptyState>} state @param {number} now */
  draw(state, now) {
    const runs = [...state.runs.values()].filter((run) => run.status !== "skipped" && !run.apart).slice(state.endedAt ? -MOST_ROWS : -MOST_ROWS_RUNNING);
    if (!runs.length) return this.clear();
    if (!this.axis.isConnected) this.root.replaceChildren(this.axis);
    const own = runs.filter((run) => !run.takenFrom);
    const from = Math.min(...(own.length ? own : runs).map((run) => Date.parse(run.startedAt)));
    const span = Math.max(1, (state.endedAt ? Date.parse(state.endedAt) : now) - from);
    this.drawAxis(span);
    const keys = new Set(runs.map((run) => `${run.node}#${run.runIndex}`));
    for (const [key, { row }] of this.rows)
      if (!keys.has(key)) {
        row.remove();
        this.rows.delete(key);
      }
    // Within the axis, though this clock and the server's may differ a little.
    const place = (time) => Math.max(0, Math.min(100, ((Date.parse(time) - from) / span) * 100));
    for (const run of runs) this.drawRun(run, place, now);
  }

  clear() {
    if (!this.rows.size) return;
    this.rows.clear();
    this.root.replaceChildren(element("p", { class: "empty" }, "Nothing has run yet."));
  }

  drawAxis(span) {
    const step = roundStep(span);
    const marks = [];
    for (let at = 0; at <= span * 0.97; at += step) {
      const mark = element("span", {}, at === 0 ? "0" : tick(at));
      mark.style.left = `${(at / span) * 100}%`;
      marks.push(mark);
    }
    this.axis.replaceChildren(element("i", {}, ...marks));
  }

  make(run) {
    const label = run.runIndex ? `${run.name} #${run.runIndex + 1}` : run.name;
    const parts = { bar: element("span", { class: "took" }), took: element("small"), track: element("i"), marks: 0 };
    parts.track.append(parts.bar);
    parts.row = element("button", { type: "button", class: "run", title: label }, element("b", {}, label), parts.track, parts.took);
    parts.row.addEventListener("click", () => this.onChoose(run.node, run.runIndex));
    this.root.append(parts.row);
    return parts;
  }

  drawRun(run, place, now) {
    const key = `${run.node}#${run.runIndex}`;
    if (!this.rows.has(key)) this.rows.set(key, this.make(run));
    const { row, bar, took: told, track } = this.rows.get(key);
    const start = place(run.startedAt);
    row.dataset.status = run.status;
    row.classList.toggle("taken", Boolean(run.takenFrom));
    bar.style.left = `min(${start}%, 100% - ${THINNEST}px)`;
    bar.style.width = `${Math.max(0, (run.endedAt ? place(run.endedAt) : 100) - start)}%`;
    while (track.children.length <= run.retries.length) track.append(element("span", { class: "mark" }));
    run.retries.forEach((retry, index) => {
      track.children[index + 1].style.left = `${place(retry.at)}%`;
      track.children[index + 1].title = `Attempt ${retry.attempt} failed: ${retry.error.message}`;
    });
    told.textContent = run.takenFrom ? "taken" : duration(took(run, now));
    if (run.takenFrom) row.title = `${run.name}: taken over from the execution before`;
  }

  /** @param {string} node @param {number} runIndex */
  choose(node, runIndex) {
    const chosen = `${node}#${runIndex}`;
    for (const [key, { row }] of this.rows) row.classList.toggle("chosen", key === chosen);
    if (this.chosen === chosen || !this.rows.has(chosen)) return;
    this.chosen = chosen;
    const { row } = this.rows.get(chosen);
    const [above, below] = [row.offsetTop - this.axis.offsetHeight, row.offsetTop + row.offsetHeight - this.root.clientHeight];
    this.root.scrollTop = Math.max(below, Math.min(above, this.root.scrollTop)); // into sight, without moving the page
  }
}
