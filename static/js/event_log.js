/**
 * The event log: one row per event, which opens to its JSON. It is filtered by level, type and text, and follows new
 * events until the user pauses or scrolls. It holds a part of the stream without gaps, from the first loaded event to
 * the newest. Earlier events are loaded on demand; of those that nobody asked for, the oldest are dropped while it
 * follows. A filter also searches the server for the events before the first one (`log_search.js`).
 */
import { colour, kindOf, LIFECYCLE, subject, summary } from "./event_text.js";
import { write } from "./exact_json.js";
import { jsonView } from "./json_view.js";
import { LogSearch } from "./log_search.js";
import { momentElement } from "./moments.js";
import { element, messageOf, number, query } from "./page.js";
import { RowWindow } from "./row_window.js";
import { gettext, ngettext } from "./translations.js";

/** @import { Envelope, Page } from "./event_stream.js" */
/** @import { Search, SearchFilter } from "./log_search.js" */

/**
 * @typedef {object} Source loads events that were not added
 * @property {(before: number, limit: number) => Promise<Page>} earlier
 * @property {Search} search searches the server
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
const MOST = 250_000; // events in memory that the user has loaded
const [FEW, MANY] = [500, 1000]; // events per page
const MOST_NODES = 9; // nodes whose names match, in one search
const OUT_OF_SIGHT = 1000; // ms between drawings while it is out of view
const TYPING = 250; // ms after which a text is searched for

export class EventLog {
  /** @type {Envelope[]} */
  #events = [];
  /** @type {Envelope[]} the events that match the filter */
  #matches = [];
  /** @type {LogSearch | null} while there is a filter: the matches before the first loaded event */
  #search = null;
  #typing = 0; // timer
  #kept = KEPT;
  #problem = ""; // why loading has stopped
  #filtered = 0; // how many events have been filtered
  #read = 0; // how many matches there were when it stopped following
  #following = true;
  #paused = false;
  #loading = false;
  #inSight = true;
  #drawnAt = 0;
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
      () => this.#matches.length && !this.#search && this.#load(FEW),
      (atEnd) => this.#scrolled(atEnd),
    );
    this.rows.items = this.#matches; // grows, also while the log is paused before the first event
    for (const control of [parts.search, parts.types]) control.addEventListener("input", () => this.#filter());
    parts.level.addEventListener("change", () => this.#filter());
    parts.follow.addEventListener("click", () => this.#toggle());
    new IntersectionObserver(([{ isIntersecting }]) => {
      this.#inSight = isIntersecting;
      if (isIntersecting) this.draw();
    }).observe(parts.list);
    const [few, all] = parts.earlier.querySelectorAll("button");
    few.addEventListener("click", () => this.#search ? this.#search.toggle() : this.#load(FEW));
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
    this.#kept = KEPT;
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
      const content = [event.type, subject(event, this.names), summary(event), write(event.data)].join(" ");
      return content.toLowerCase().includes(text);
    };
  }

  /** The filter has changed: show the events that match it, and search the server for those before. */
  #filter() {
    clearTimeout(this.#typing);
    this.#loading = false;
    this.#search?.cancel();
    this.#search = null;
    const filter = this.#searchFilter();
    if (filter && this.#first > 1) {
      const search = new LogSearch(filter, this.#first, this.source.search, () => this.#found(search));
      this.#search = search;
      search.state = "searching";
      this.#typing = setTimeout(() => search.start(), filter.texts.length ? TYPING : 0);
    }
    this.#following = !this.#paused;
    this.#match();
    this.rows.reset(this.#matches);
    this.#read = this.#matches.length;
    this.#update();
  }

  /** Return what the server searches for; null without a filter. @returns {SearchFilter | null} */
  #searchFilter() {
    const [kind, text] = [this.parts.types.value, this.parts.search.value.trim()];
    const kinds = kind ? [kind] : this.#onlyLifecycle ? [...LIFECYCLE] : [];
    if (!text && !kinds.length) return null;
    // The rows show the names of nodes, the events have their ids.
    const named = [...this.names].filter(([, name]) => name.toLowerCase().includes(text.toLowerCase()));
    return { kinds, texts: text ? [text, ...named.slice(0, MOST_NODES).map(([id]) => JSON.stringify(id))] : [] };
  }

  /** Collect the events that match, those of the search first. */
  #match() {
    const [first, matches] = [this.#first, this.#matcher()];
    const early = this.#search?.events.filter((event) => event.sequence < first && matches(event)) ?? [];
    this.#matches = [...early, ...this.#events.filter(matches)];
    this.#filtered = this.#events.length;
  }

  /** The search has found events, or has ended. @param {LogSearch} search */
  #found(search) {
    if (search !== this.#search) return;
    this.#offerTypes(search.events);
    const before = this.#matches.length;
    this.#match();
    const found = this.#matches.length - before;
    this.#read += found;
    this.rows.prepended(this.#matches, found);
    if (this.#following) this.rows.showEnd();
    this.#update();
  }

  /** Show the events that were added. */
  draw() {
    const at = performance.now();
    if (!this.#inSight && !this.over && at - this.#drawnAt < OUT_OF_SIGHT) return;
    this.#drawnAt = at;
    const fresh = this.#events.slice(this.#filtered).filter(this.#matcher());
    this.#filtered = this.#events.length;
    for (const event of fresh) this.#matches.push(event);
    if (this.#following) {
      this.rows.items = this.#matches;
      if (this.#events.length > this.#kept + SLACK && !this.#loading) this.#dropOldest();
      this.#read = this.#matches.length;
      if (fresh.length) this.rows.showEnd();
    }
    this.#update();
  }

  #dropOldest() {
    const dropped = this.#events.splice(0, this.#events.length - this.#kept);
    this.#filtered = this.#events.length;
    if (this.#search) return this.#search.add(dropped.filter(this.#matcher())); // they stay in the list
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

  /** Load earlier events: one page, or all. A second call stops the first. @param {number} limit */
  async #load(limit) {
    if (this.#loading || this.#first === 1) return void (this.#loading = false);
    this.#loading = true;
    this.#problem = "";
    let complete = false;
    try {
      while (this.#loading && !complete) {
        this.#update();
        const page = await this.source.earlier(this.#first, Math.min(limit, MANY));
        complete = page.complete || page.events.length === 0;
        this.#prepend(page.events);
        if (limit < Infinity) break;
      }
    } catch (error) {
      this.#problem = messageOf(error); // the next click tries again
    }
    this.#loading = false;
    this.#update();
    if (complete && this.#first === 1) this.source.onComplete(this.#events);
  }

  /** @param {Envelope[]} page */
  #prepend(page) {
    this.#offerTypes(page);
    this.#events = [...page, ...this.#events];
    this.#kept = Math.min(MOST, Math.max(this.#kept, this.#events.length)); // what was asked for is not dropped
    if (this.#search) return this.#found(this.#search); // a filter was chosen meanwhile
    this.#filtered += page.length;
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
    count.textContent = shown === total
      ? number(shown)
      : gettext("{count} of {total}", { count: number(shown), total: number(total) });
    const [about, few, all] = /** @type {HTMLCollectionOf<HTMLElement>} */ (earlier.children);
    const search = this.#search;
    const busy = search ? search.state === "searching" : this.#loading;
    earlier.hidden = first === 1 || search?.state === "complete";
    about.textContent = search ? searchText(search) : this.#loadText(first);
    few.textContent = busy ? gettext("Stop") : search ? gettext("Continue search") : gettext("Load more");
    all.hidden = busy || search !== null;
    const unread = shown - this.#read;
    follow.setAttribute("aria-pressed", String(!this.#following));
    follow.hidden = this.over && this.#following;
    if (this.#following) follow.textContent = gettext("Stop following");
    else if (unread) follow.textContent = gettext("Follow · {count} new", { count: number(unread) });
    else follow.textContent = this.over ? gettext("Jump to end") : gettext("Follow");
  }

  /** @param {number} first */
  #loadText(first) {
    if (this.#loading) return gettext("Loading the events before #{number}", { number: number(first) });
    const left = ngettext("{count} earlier events", "{count} earlier events", first - 1);
    return this.#problem ? gettext("{left}. Loading stopped: {problem}", { left, problem: this.#problem }) : left;
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
        momentElement(event.time, "clock"),
        element("b", {}, kindOf(event)),
        element("span", { class: "about" }, subject(event, this.names)),
        element("span", { class: "words" }, summary(event)),
      ),
    );
    details.addEventListener("toggle", () => details.append(jsonView(event)), { once: true });
    return element("li", {}, details);
  }
}

/** Say how far a search is. @param {LogSearch} search */
function searchText({ state, reached, before, problem }) {
  const share = Math.floor((1 - (reached - 1) / (before - 1)) * 100);
  if (state === "searching") {
    return ngettext(
      "Searching {count} earlier events · {share}%",
      "Searching {count} earlier events · {share}%",
      before - 1,
      {
        share,
      },
    );
  }
  const searched = gettext("Searched back to #{number}", { number: number(reached) });
  return problem ? `${searched}. ${problem}` : searched;
}
