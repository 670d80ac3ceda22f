/**
 * The player: the monitor driven by a replay's stream. What has come is held, so that a step back is folded from the first
 * event on without asking again. The playhead moves here between two answers of the server, which has the clock.
 */
import { by, data, duration, send } from "./page.js";
import { toast } from "./toast.js";

/** @import { Envelope } from "./event_stream.js" */
/** @typedef {{state: string, sequence: number, total: number, offset_ms: number, duration_ms: number, speed: number}} Facts */

const SPEEDS = [0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 20];
const AT_LEAST = 6000; // ms that a replay of something short takes at first
const SEEK_EVERY = 150; // ms, while the scrubber is dragged
const DRAW_EVERY = 100; // ms, while it plays

/** Return the speed that a replay begins with: the original one, unless that would be over at a glance. @param {number} ms */
export function firstSpeed(ms) {
  return SPEEDS.findLast((speed) => speed <= 1 && ms / speed >= AT_LEAST) ?? SPEEDS[0];
}

/** Have an execution replayed, and go there. @param {string} execution @param {number} ms how long it took */
export async function startReplay(execution, ms) {
  const made = await send("POST", "/api/events/replay/", { filter: { execution }, speed: firstSpeed(ms) });
  location.assign(`/executions/${execution}/?replay=${made.id}`);
}

const clockTime = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

export class Player {
  /** @param {{restart: (events: Envelope[]) => void, changed: () => void, again: (after: number) => void}} page `restart`:
   *  show these events and no others; `changed`: the playhead has moved; `again`: subscribe after a sequence */
  constructor(page) {
    this.page = page;
    this.stream = data.replay.stream;
    this.path = `/api/events/replays/${data.replay.id}/`;
    /** @type {Envelope[]} */ this.held = [];
    /** @type {Facts} */ this.facts = data.replay;
    this.toldAt = performance.now();
    this.over = false; // the server has said `end`
    this.dragged = false;
    this.drawnAt = 0;
    /** @type {number | null} where it was last told to go and stand: the next step begins there, whatever has come */ this.sought = null;
    this.pending = 0; // orders on their way
    /** @type {Promise<void>} one order at a time, in the order they were given */ this.orders = Promise.resolve();
    by("player-speed").replaceChildren(...SPEEDS.map((speed) => new Option(`${speed}×`, String(speed))));
    by("player-play").addEventListener("click", () => this.toggle());
    by("player-back").addEventListener("click", () => this.step(-1));
    by("player-on").addEventListener("click", () => this.step(1));
    by("player-start").addEventListener("click", () => this.seek({ sequence: 0 }));
    by("player-speed").addEventListener("change", () => this.order("speed", { speed: Number(by("player-speed").value) }));
    by("player-leave").addEventListener("click", (event) => this.leave(event));
    const scrubber = by("player-scrubber");
    scrubber.max = String(Math.max(1, this.facts.duration_ms));
    scrubber.addEventListener("input", () => this.drag());
    scrubber.addEventListener("change", () => this.drop(Number(scrubber.value)));
    addEventListener("keydown", (event) => this.key(event));
    requestAnimationFrame(() => this.tick());
  }

  get playing() {
    return this.facts.state === "running" && !this.over;
  }

  /** Return where the playhead is, in ms since the first event. */
  get offset() {
    if (this.dragged) return Number(by("player-scrubber").value);
    const passed = this.playing ? (performance.now() - this.toldAt) * this.facts.speed : 0;
    return Math.min(this.facts.duration_ms, this.facts.offset_ms + passed);
  }

  /** Return what the clock showed at the playhead, in ms. */
  get time() {
    return Date.parse(data.replay.first_time) + this.offset;
  }

  // --- what the stream says --------------------------------------------------------------------------------------

  /** @param {Envelope[]} batch */
  add(batch) {
    for (const event of batch) this.held.push(event);
    this.draw();
  }

  /** What follows comes after this sequence: what is held beyond it has not happened yet, again. @param {number} after */
  begin(after) {
    this.over = false;
    if (after >= this.held.length) return;
    this.held.length = after;
    this.page.restart(this.held);
  }

  /** @param {Facts} facts */
  tell(facts) {
    this.facts = facts;
    this.toldAt = performance.now();
    if (!this.pending && facts.sequence !== this.sought) this.sought = null; // somebody else has moved it
    this.draw();
    this.page.changed();
  }

  end() {
    this.over = true;
    if (this.facts.state === "cancelled" || this.facts.state === "expired") toast(`The replay is ${this.facts.state}.`, "failed");
    else this.facts = { ...this.facts, state: "completed", offset_ms: this.facts.duration_ms };
    this.draw();
    this.page.changed();
  }

  // --- what people want ------------------------------------------------------------------------------------------

  toggle() {
    if (this.over) return this.seek({ sequence: 0, paused: false });
    this.sought = null;
    return this.order(this.playing ? "pause" : "resume", {});
  }

  /** @param {{sequence?: number, offset_ms?: number, paused?: boolean}} where */
  async seek(where) {
    this.sought = where.sequence ?? null;
    const ended = this.over;
    // Of one that is over, only what people see is changed: it goes on when they say so.
    await this.order("seek", ended ? { paused: true, ...where } : where);
    if (ended && this.over) this.page.again(this.held.length);
  }

  /** @param {-1 | 1} by events */
  async step(by) {
    const from = this.playing && !this.pending ? this.held.length : this.sought ?? this.held.length;
    await this.seek({ sequence: Math.max(0, Math.min(this.facts.total, from + by)), paused: true });
  }

  /** @param {string} what @param {object} body */
  order(what, body) {
    this.pending += 1;
    const sent = this.orders.then(() => send("POST", `${this.path}${what}/`, body));
    this.orders = sent.catch((error) => toast(error.message, "failed")).finally(() => (this.pending -= 1));
    return this.orders;
  }

  /** @param {Event} event */
  async leave(event) {
    event.preventDefault();
    const { href } = event.currentTarget;
    await send("POST", `${this.path}cancel/`, {}).catch(() => null); // somebody else's goes on
    location.assign(href);
  }

  drag() {
    this.dragged = true;
    this.draw();
    if (this.seeking) return;
    this.seeking = setTimeout(() => {
      this.seeking = 0;
      if (this.dragged) this.seek({ offset_ms: Number(by("player-scrubber").value) });
    }, SEEK_EVERY);
    this.page.changed();
  }

  /** @param {number} offset */
  async drop(offset) {
    clearTimeout(this.seeking);
    this.seeking = 0;
    await this.seek({ offset_ms: offset });
    this.facts = { ...this.facts, offset_ms: offset };
    this.toldAt = performance.now();
    this.dragged = false;
    this.draw();
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const typing = event.target instanceof Element && event.target.closest("input, select, textarea, button, summary, dialog, a");
    if (event.key !== " " || typing) return;
    event.preventDefault();
    this.toggle();
  }

  // --- the bar ---------------------------------------------------------------------------------------------------

  tick() {
    const now = performance.now();
    if (this.playing || this.dragged) this.drawPlace();
    if (this.playing && now - this.drawnAt > DRAW_EVERY) {
      this.drawnAt = now;
      this.page.changed();
    }
    requestAnimationFrame(() => this.tick());
  }

  draw() {
    const { state, speed } = this.facts;
    const label = this.over ? "Play again" : this.playing ? "Pause" : "Play";
    by("player").dataset.state = state;
    by("player-play").setAttribute("aria-label", label);
    by("player-play").title = `${label} (space bar)`;
    by("player-play").dataset.shows = this.playing ? "pause" : "play";
    by("player-back").disabled = this.held.length === 0;
    by("player-on").disabled = this.held.length >= this.facts.total;
    const options = by("player-speed").options;
    if (![...options].some((option) => Number(option.value) === speed)) by("player-speed").append(new Option(`${speed}×`, String(speed)));
    by("player-speed").value = String(speed);
    this.drawPlace();
  }

  drawPlace() {
    const { offset } = this;
    const { duration_ms: whole, total } = this.facts;
    const scrubber = by("player-scrubber");
    if (!this.dragged) scrubber.value = String(offset);
    scrubber.style.setProperty("--part", `${whole ? (offset / whole) * 100 : 100}%`);
    scrubber.setAttribute("aria-valuetext", `${duration(offset)} of ${duration(whole)}`);
    by("player-at").textContent = duration(offset);
    by("player-whole").textContent = duration(whole);
    by("player-count").textContent = `event ${this.held.length} of ${total}`;
    by("player-clock").textContent = clockTime.format(this.time);
  }
}
