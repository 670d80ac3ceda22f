/**
 * A search of the server for the events that match the filter of the log and that are older than those of the page: the
 * newest first, page by page.
 */

import { gettext, number } from "./translations.js";

/** @import { Envelope } from "./event_stream.js" */

/**
 * @typedef {object} SearchFilter
 * @property {string[]} kinds event types without `execution.`; empty: all
 * @property {string[]} texts any of them is in the type or in the data; empty: all events
 *
 * @typedef {{events: Envelope[], reached: number, more: boolean}} Found one page, the newest event first
 * @typedef {(filter: SearchFilter, before: number) => AsyncGenerator<Found>} Search
 */

const MOST = 20_000; // events that a search keeps

export class LogSearch {
  /** @type {Envelope[]} the events that were found, in sequence */
  events = [];
  /** @type {"searching" | "stopped" | "complete"} */
  state = "stopped";
  problem = ""; // why it stopped by itself
  #turn = 0; // increases with every start and stop

  /**
   * @param {SearchFilter} filter
   * @param {number} before the sequence before which it searches
   * @param {Search} search
   * @param {() => void} changed called when there are more events, or it has stopped
   */
  constructor(filter, before, search, changed) {
    this.filter = filter;
    this.before = this.reached = before;
    this.search = search;
    this.changed = changed;
  }

  /** Search on from where it stopped. */
  async start() {
    const turn = (this.#turn += 1);
    this.state = "searching";
    this.problem = "";
    try {
      for await (const page of this.search(this.filter, this.reached)) {
        if (turn !== this.#turn) return;
        this.events.unshift(...page.events.reverse());
        this.reached = Math.min(this.reached, page.reached);
        if (!page.more) this.state = "complete";
        else if (this.events.length >= MOST) {
          return this.stop(gettext("The newest {count} are shown.", { count: number(MOST) }));
        }
        this.changed();
      }
    } catch (error) {
      if (turn === this.#turn) this.stop(error instanceof Error ? error.message : String(error));
    }
  }

  toggle() {
    if (this.state === "searching") return this.stop();
    this.start();
    this.changed();
  }

  /** @param {string} [problem] */
  stop(problem = "") {
    this.#turn += 1;
    this.state = "stopped";
    this.problem = problem;
    this.changed();
  }

  /** End it: nothing is reported any more. */
  cancel() {
    this.#turn += 1;
  }

  /** Keep events that the page drops. @param {Envelope[]} events */
  add(events) {
    for (const event of events) this.events.push(event);
  }
}
