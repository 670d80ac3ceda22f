/**
 * The event log: one row per event, which opens to its JSON. It is filtered by level, type and text, and follows new
 * events until the user pauses or scrolls. It holds a part of the stream without gaps, from the first loaded event to
 * the newest. Earlier events are loaded on demand; while it follows, the oldest events are dropped.
 */
import { clock, colour, kindOf, LIFECYCLE, subject, summary } from "./event_text.js";
import { jsonView } from "./json_view.js";
import { element, number, query } from "./page.js";
import { RowWindow } from "./row_window.js";

/** @import { Envelope, Page } from "./event_stream.js" */

/**
 * @typedef {object} Source loads events that were not added
 * @property {(before: number, limit: number) => Promise<Page>} earlier
 * @property {() => Promise<Envelope[]>} lifecycle
 * @property {(events: Envelope[]) => void} onComplete called with all events when the first one has been loaded
 *
 * @typedef {object} Parts
 * @property {HTMLElement} list
 * @property {HTMLInputElement} search
 * @property {HTMLSelectElement} types
 * @property {HTMLElement} level
 * @property {HTMLElement} follow
 * @property {HTMLElement} count
 * @property {HTMLElement} earlier
 */

const [KEPT, SLACK] = [20_000, 5000]; // events in memory while it follows
const [FEW, MANY] = [500, 1000]; // events per page
const ENOUGH = 20; // matches that end a search for earlier events

export class EventLog {
  /** @type {Envelope[]} */
  #events = [];
  /** @type {Envelope[]} the events that match the filter */
  #matches = [];
  /** @type {Envelope[] | null} all lifecycle events from the first one on, if that level was selected */
  #early = null;
  #filtered = 0; // how many events have been filtered
  #read = 0; // how many matches there were when it stopped following
  #following = true;
  #paused = false;
  #loading = false;
  over = false; // the stream has ended

  /** @param {Parts} parts @param {Map<string, string>} names of the nodes by id @param {Source} source */
  constructor(parts, names, source) {
    this.parts = parts;
    this.names = names;
    this.source = source;
    /** @type {RowWindow<Envelope>} */
    this.rows = new RowWindow(
      parts.list,
      (event) => this.#row(event),
      () => this.#matches.length && this.#load(FEW),
      (atEnd) => this.#scrolled(atEnd),
    );
    for (const control of [parts.search, parts.types]) control.addEventListener("input", () => this.#filter());
    parts.level.addEventListener("change", () => this.#filter());
    parts.follow.addEventListener("click", () => this.#toggle());
    const [few, all] = parts.earlier.querySelectorAll("button");
    few.addEventListener("click", () => this.#load(FEW));
    all.addEventListener("click", () => this.#load(Infinity));
  }

  /** @param {Envelope[]} batch */
  add(batch) {
    this.#offerTypes(batch);
    this.#events.push(...batch);
  }

  /** Replace all events. @param {Envelope[]} events */
  replace(events) {
    this.#events = [...events];
    this.#early = null;
    this.#filter();
  }

  /** @param {Envelope[]} batch */
  #offerTypes(batch) {
    const { types } = this.parts;
    const known = new Set([...types.options].map((option) => option.value));
    for (const kind of new Set(batch.map(kindOf))) if (!known.has(kind)) types.append(new Option(kind, kind));
  }

  get #onlyLifecycle() {
    return query(this.parts.level, ":checked", HTMLInputElement).value === "lifecycle";
  }

  /** The sequence of the first loaded event. */
  get #first() {
    return this.#events[0]?.sequence ?? 1;
  }

  /** Return a function that says whether an event matches the current filter. */
  #matcher() {
    const { types, search } = this.parts;
    const [kind, text, lifecycle] = [types.value, search.value.trim().toLowerCase(), this.#onlyLifecycle];
    return (/** @type {Envelope} */ event) => {
      if (kind ? kindOf(event) !== kind : lifecycle && !LIFECYCLE.has(kindOf(event))) return false;
      if (!text) return true;
      const content = [event.type, subject(event, this.names), summary(event), JSON.stringify(event.data)].join(" ");
      return content.toLowerCase().includes(text);
    };
  }

  /** Show the events that match the filter. */
  async #filter() {
    const first = this.#first;
    const early = this.#onlyLifecycle ? this.#early?.filter((event) => event.sequence < first) ?? [] : [];
    this.#matches = [...early, ...this.#events].filter(this.#matcher());
    this.#filtered = this.#events.length;
    this.#read = this.#matches.length;
    this.#following = !this.#paused;
    this.rows.reset(this.#matches);
    this.#update();
    if (!this.#onlyLifecycle || this.#early || first === 1) return;
    this.#early = [];
    const lifecycle = await this.source.lifecycle().catch(() => null);
    this.#early = lifecycle; // after a failure, the next change of the filter loads them
    if (lifecycle && this.#onlyLifecycle) await this.#filter();
  }

  /** Show the events that were added. */
  draw() {
    const fresh = this.#events.slice(this.#filtered).filter(this.#matcher());
    this.#filtered = this.#events.length;
    for (const event of fresh) this.#matches.push(event);
    if (this.#following) {
      this.rows.items = this.#matches;
      if (this.#events.length > KEPT + SLACK && !this.#loading) this.#dropOldest();
      this.#read = this.#matches.length;
      if (fresh.length) this.rows.showEnd();
    }
    this.#update();
  }

  #dropOldest() {
    this.#events.splice(0, this.#events.length - KEPT);
    this.#filtered = this.#events.length;
    const first = this.#first;
    this.#matches = this.#matches.filter((event) => event.sequence >= first);
    this.rows.reset(this.#matches);
  }

  /** The user scrolled or opened a row. At the end the log follows, unless it is paused. @param {boolean} atEnd */
  #scrolled(atEnd) {
    const following = atEnd && !this.#paused;
    if (this.#following === following) return;
    this.#following = following;
    this.#read = this.#matches.length;
    this.#update();
  }

  #toggle() {
    this.#paused = this.#following;
    this.#following = !this.#paused;
    this.#read = this.#matches.length;
    if (this.#following) this.rows.showEnd();
    this.#update();
  }

  /** Load earlier events: one page, more pages until some match the filter, or all. A second call stops the first.
   *  @param {number} limit */
  async #load(limit) {
    if (this.#loading || this.#first === 1) return void (this.#loading = false);
    this.#loading = true;
    const before = this.#matches.length;
    let complete = false;
    try {
      while (this.#loading && !complete) {
        this.#update();
        const page = await this.source.earlier(this.#first, Math.min(limit, MANY));
        complete = page.complete || page.events.length === 0;
        this.#prepend(page.events);
        const found = this.#matches.length - before;
        if (limit < Infinity && found >= Math.min(ENOUGH, this.#events.length)) break;
      }
    } catch {
      // No connection: the next scroll or click tries again.
    }
    this.#loading = false;
    this.#update();
    if (complete && this.#first === 1) this.source.onComplete(this.#events);
  }

  /** @param {Envelope[]} page */
  #prepend(page) {
    this.#offerTypes(page);
    this.#events = [...page, ...this.#events];
    this.#filtered += page.length;
    if (this.#onlyLifecycle && this.#early?.length) return; // they are in the list already
    const fresh = page.filter(this.#matcher());
    this.#matches = [...fresh, ...this.#matches];
    this.#read += fresh.length;
    this.rows.prepended(this.#matches, fresh.length);
  }

  /** Update the counts and the buttons. */
  #update() {
    const { count, earlier, follow } = this.parts;
    const [shown, first] = [this.#matches.length, this.#first];
    const total = this.#events.at(-1)?.sequence ?? 0;
    count.textContent = shown === total ? number(shown) : `${number(shown)} of ${number(total)}`;
    const [about, few, all] = /** @type {HTMLCollectionOf<HTMLElement>} */ (earlier.children);
    earlier.hidden = first === 1 || (this.#onlyLifecycle && Boolean(this.#early?.length));
    about.textContent = this.#loading ? `Searching before #${number(first)}` : `${number(first - 1)} earlier events`;
    few.textContent = this.#loading ? "Stop" : "Load more";
    all.hidden = this.#loading;
    const unread = shown - this.#read;
    follow.setAttribute("aria-pressed", String(!this.#following));
    follow.hidden = this.over && this.#following;
    if (this.#following) follow.textContent = "Stop following";
    else if (unread) follow.textContent = `Follow · ${number(unread)} new`;
    else follow.textContent = this.over ? "Jump to end" : "Follow";
  }

  /** @param {Envelope} event */
  #row(event) {
    const details = element(
      "details",
      { class: event.data.taken_from ? "reused" : "", "data-status": colour(event) },
      element(
        "summary",
        {},
        element("span", { class: "sequence" }, String(event.sequence)),
        element("time", { datetime: event.time, title: event.time }, clock(event.time)),
        element("b", {}, kindOf(event)),
        element("span", { class: "about" }, subject(event, this.names)),
        element("span", { class: "words" }, summary(event)),
      ),
    );
    details.addEventListener("toggle", () => details.append(jsonView(event)), { once: true });
    return element("li", {}, details);
  }
}
