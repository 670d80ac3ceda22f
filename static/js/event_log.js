/**
 * The event log: a row for each event, which opens to its JSON. It is filtered by level, type and text, follows what comes
 * until it is paused or scrolled, and holds a part of the stream without gaps: from the first event that was brought to
 * the newest. What lies before is brought on demand; of what has only been followed, the oldest is let go.
 */
import { LIFECYCLE, about, clock, colour, kindOf, words } from "./event_words.js";
import { jsonView } from "./json_view.js";
import { element, number } from "./page.js";
import { RowWindow } from "./row_window.js";

/** @import { Envelope, Page } from "./event_stream.js" */

const [KEPT, SLACK] = [20_000, 5000]; // events in memory while it follows
const [FEW, MANY] = [500, 1000]; // events of a page
const ENOUGH = 20; // events that fit the filter: then no further page is brought

export class EventLog {
  /** @param {Record<"list" | "search" | "types" | "level" | "follow" | "count" | "earlier", HTMLElement>} parts
   *  @param {Map<string, string>} names of the nodes by id
   *  @param {{earlier: (before: number, limit: number) => Promise<Page>, lifecycle: () => Promise<Envelope[]>,
   *           onComplete: (events: Envelope[]) => void}} source where events come from that were not added; `onComplete`
   *  gets them all once the first one has been brought */
  constructor(parts, names, source) {
    Object.assign(this, parts, { names, source });
    /** @type {Envelope[]} */ this.events = [];
    /** @type {Envelope[]} those that fit the filter */ this.matches = [];
    /** @type {Envelope[] | null} lifecycle events from the first one on, where that level was asked for */ this.early = null;
    this.seen = 0; // how many of the events have been looked at
    this.read = 0; // how many of the matches were there when it stopped following
    this.following = true;
    this.paused = false;
    this.loading = false;
    this.over = false; // nothing more comes
    this.rows = new RowWindow(parts.list, (event) => this.row(event), () => this.matches.length && this.load(FEW), (atEnd) => this.moved(atEnd));
    for (const control of [parts.search, parts.types]) control.addEventListener("input", () => this.filter());
    parts.level.addEventListener("change", () => this.filter());
    parts.follow.addEventListener("click", () => this.toggle());
    const [few, all] = parts.earlier.querySelectorAll("button");
    few.addEventListener("click", () => this.load(FEW));
    all.addEventListener("click", () => this.load(Infinity));
  }

  /** @param {Envelope[]} batch */
  add(batch) {
    this.offerTypes(batch);
    this.events.push(...batch);
  }

  /** Show these events in place of those that were added. @param {Envelope[]} events */
  replace(events) {
    this.events = [...events];
    this.early = null;
    this.filter();
  }

  offerTypes(batch) {
    const known = new Set([...this.types.options].map((option) => option.value));
    for (const kind of new Set(batch.map(kindOf))) if (!known.has(kind)) this.types.append(element("option", { value: kind }, kind));
  }

  get onlyLifecycle() {
    return this.level.querySelector(":checked").value === "lifecycle";
  }

  /** Return what tells whether an event fits the filter as it is now. */
  fitting() {
    const [kind, text, lifecycle] = [this.types.value, this.search.value.trim().toLowerCase(), this.onlyLifecycle];
    return (event) => {
      if (kind ? kindOf(event) !== kind : lifecycle && !LIFECYCLE.has(kindOf(event))) return false;
      return !text || `${event.type} ${about(event, this.names)} ${words(event)} ${JSON.stringify(event.data)}`.toLowerCase().includes(text);
    };
  }

  /** Show what fits the filter, from the newest on. */
  async filter() {
    const fits = this.fitting();
    const first = this.events[0]?.sequence ?? 1;
    const early = this.onlyLifecycle ? this.early?.filter((event) => event.sequence < first) ?? [] : [];
    this.matches = [...early, ...this.events].filter(fits);
    this.seen = this.events.length;
    this.read = this.matches.length;
    this.following = !this.paused;
    this.rows.reset(this.matches);
    this.say();
    if (!this.onlyLifecycle || this.early || first === 1) return;
    this.early = [];
    const found = await this.source.lifecycle().catch(() => null);
    this.early = found; // after a failure it is asked for with the next change
    if (found && this.onlyLifecycle) await this.filter();
  }

  /** Show what has been added. */
  draw() {
    const fresh = this.events.slice(this.seen).filter(this.fitting());
    this.seen = this.events.length;
    for (const event of fresh) this.matches.push(event);
    if (this.following) {
      this.rows.items = this.matches;
      if (this.events.length > KEPT + SLACK && !this.loading) this.letGo();
      this.read = this.matches.length;
      if (fresh.length) this.rows.end();
    }
    this.say();
  }

  letGo() {
    this.events.splice(0, this.events.length - KEPT);
    this.seen = this.events.length;
    const first = this.events[0].sequence;
    this.matches = this.matches.filter((event) => event.sequence >= first);
    this.rows.reset(this.matches);
  }

  /** The list was scrolled, or a row opened: at its end it follows, unless it was paused. */
  moved(atEnd) {
    if (this.following === (atEnd && !this.paused)) return;
    this.following = atEnd && !this.paused;
    this.read = this.matches.length;
    this.say();
  }

  toggle() {
    this.paused = this.following;
    this.following = !this.paused;
    this.read = this.matches.length;
    if (this.following) this.rows.end();
    this.say();
  }

  /** Bring the events before the first one: a page of them, or further ones until some fit the filter, or all. Pressed
   *  again while that goes on, it stops. @param {number} most */
  async load(most) {
    const before = () => this.events[0]?.sequence ?? 1;
    if (this.loading || before() === 1) return void (this.loading = false);
    this.loading = true;
    const had = this.matches.length;
    let complete = false;
    try {
      while (this.loading && !complete) {
        this.say();
        const page = await this.source.earlier(before(), Math.min(most, MANY));
        complete = page.complete || page.events.length === 0;
        this.prepend(page.events);
        if (most < Infinity && this.matches.length - had >= Math.min(ENOUGH, this.events.length)) break;
      }
    } catch {
      // No connection: asked for again with the next scrolling or press.
    }
    this.loading = false;
    this.say();
    if (complete && before() === 1) this.source.onComplete(this.events);
  }

  /** @param {Envelope[]} page */
  prepend(page) {
    this.offerTypes(page);
    this.events = [...page, ...this.events];
    this.seen += page.length;
    if (this.onlyLifecycle && this.early?.length) return; // they are in the list already
    const fresh = page.filter(this.fitting());
    this.matches = [...fresh, ...this.matches];
    this.read += fresh.length;
    this.rows.shifted(this.matches, fresh.length);
  }

  /** Say how many there are, and whether it follows. */
  say() {
    const [shown, first] = [this.matches.length, this.events[0]?.sequence ?? 1];
    const total = this.events.at(-1)?.sequence ?? 0;
    this.count.textContent = shown === total ? number(shown) : `${number(shown)} of ${number(total)}`;
    const [about, few, all] = this.earlier.children;
    this.earlier.hidden = first === 1 || (this.onlyLifecycle && Boolean(this.early?.length));
    about.textContent = this.loading ? `Looking back: #${number(first)}` : `${number(first - 1)} earlier events`;
    few.textContent = this.loading ? "Stop" : "Load some";
    all.hidden = this.loading;
    const unread = shown - this.read;
    this.follow.setAttribute("aria-pressed", String(!this.following));
    this.follow.hidden = this.over && this.following;
    this.follow.textContent = this.following ? "Stop following" : unread ? `Follow · ${number(unread)} new` : this.over ? "To the end" : "Follow";
  }

  /** @param {Envelope} event */
  row(event) {
    const row = element("details", { class: event.data.taken_from ? "taken" : "", "data-status": colour(event) }, element("summary", {},
      element("span", { class: "sequence" }, String(event.sequence)), element("time", { datetime: event.time, title: event.time }, clock(event.time)),
      element("b", {}, kindOf(event)), element("span", { class: "about" }, about(event, this.names)), element("span", { class: "words" }, words(event))));
    row.addEventListener("toggle", () => row.append(jsonView(event)), { once: true });
    return element("li", {}, row);
  }
}
