/** The first row of the timeline: the whole execution, with the time that it was queued for. */
import { LanePaths } from "./lanes.js";
import { duration, element } from "./page.js";
import { Track } from "./tracks.js";
import { gettext } from "./translations.js";

/** @import { State } from "./types.js" */
/** @import { Kind, View } from "./lanes.js" */

/** @type {Record<string, Kind>} */
const KINDS = {
  queued: "queue",
  running: "running",
  waiting: "wait",
  paused: "wait",
  failed: "failed",
  cancelled: "cancelled",
  timed_out: "failed",
};

export class ExecutionLane {
  #track = new Track();
  #took = element("small");
  #drawn = "";

  constructor() {
    this.row = element("div", { class: "whole" }, element("b", {}, gettext("Execution")), this.#track.svg, this.#took);
  }

  get track() {
    return this.#track.svg;
  }

  /**
   * @param {State} state
   * @param {View} view
   * @param {number} queued ms before the start
   * @param {number} elapsed ms since the start; if it has not started, since it was queued
   */
  draw(state, view, queued, elapsed) {
    const text = duration(elapsed);
    if (this.#took.textContent !== text) this.#took.textContent = text;
    const key = [view.from, view.to, view.width, state.status, queued, elapsed].join();
    if (key === this.#drawn) return;
    this.#drawn = key;
    const paths = new LanePaths(view);
    if (queued >= 1) paths.bar("queue", -queued, 0);
    paths.bar(KINDS[state.status] ?? "ran", 0, elapsed);
    this.#track.show(paths.result);
    const times = { queued: duration(queued), time: text };
    if (!state.startedAt) this.row.title = gettext("Queued for {time}", times);
    else if (state.endedAt) this.row.title = gettext("Queued for {queued}, then ran for {time}", times);
    else this.row.title = gettext("Queued for {queued}, then has run for {time}", times);
  }
}
