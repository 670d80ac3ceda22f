/**
 * The player: the monitor driven by the stream of a replay. It keeps the events that have arrived, so that a step back
 * folds them again without a request. The playhead moves here between two messages of the server, which has the clock.
 */
import { momentText, momentTitle } from "./moments.js";
import { buttonById, byId, duration, inputById, messageOf, RequestError, send } from "./page.js";
import { toast } from "./toast.js";
import { gettext } from "./translations.js";

/** @import { Envelope, Replay, ReplayFacts } from "./types.js" */

const SPEEDS = [0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 20];
const MIN_DURATION = 6000; // ms that the replay of a short execution takes at its first speed
const SEEK_PAUSE = 150; // ms, while the scrubber is dragged
const TOO_MANY = 429; // the status of a refusal
const DRAW_PAUSE = 100; // ms, while it plays

/** Return the speed of a new replay: the original one, or a slower one for short executions. @param {number} ms */
export function firstSpeed(ms) {
  return SPEEDS.findLast((speed) => speed <= 1 && ms / speed >= MIN_DURATION) ?? SPEEDS[0];
}

/** Start a replay of an execution and open it. @param {string} execution @param {number} ms its duration */
export async function startReplay(execution, ms) {
  const body = { filter: { execution }, speed: firstSpeed(ms) };
  const replay = await send("POST", "/api/events/replay/", body).catch(async (error) => {
    if (!(error instanceof RequestError && error.problem.status === TOO_MANY)) throw error;
    const { showReplays } = await import("./replays.js");
    return showReplays(error.message);
  });
  if (replay) location.assign(`/executions/${execution}/?replay=${replay.id}`);
}

export class Player {
  /** @type {Envelope[]} the events that have arrived */
  #events = [];
  #updatedAt = performance.now(); // when `facts` arrived
  #ended = false; // the server has sent `end`
  #dragged = false;
  #drawnAt = 0;
  #seeking = 0; // timer
  /** @type {number | null} the target of the latest seek: the next step starts there, whatever has arrived */
  #target = null;
  #pending = 0; // commands that were sent and not answered
  /** @type {Promise<unknown>} commands run one at a time, in order */
  #commands = Promise.resolve();
  #scrubber = inputById("player-scrubber");
  #speed = byId("player-speed", HTMLSelectElement);

  /**
   * @param {Replay} replay
   * @param {{restart: (events: Envelope[]) => void, changed: () => void, watch: (after: number) => void}} page
   *  `restart`: show only these events; `changed`: the playhead has moved; `watch`: subscribe after a sequence
   */
  constructor(replay, page) {
    this.page = page;
    this.stream = replay.stream;
    this.path = `/api/events/replays/${replay.id}/`;
    this.startedAt = Date.parse(replay.first_time);
    /** @type {ReplayFacts} */
    this.facts = replay;
    this.#speed.replaceChildren(...SPEEDS.map((speed) => new Option(`${speed}×`, String(speed))));
    byId("player-play").addEventListener("click", () => this.toggle());
    byId("player-back").addEventListener("click", () => this.step(-1));
    byId("player-forward").addEventListener("click", () => this.step(1));
    byId("player-start").addEventListener("click", () => this.seek({ sequence: 0 }));
    this.#speed.addEventListener("change", () => this.#command("speed", { speed: Number(this.#speed.value) }));
    const leave = byId("player-leave", HTMLAnchorElement);
    leave.addEventListener("click", (event) => this.#leave(event, leave.href));
    this.#scrubber.max = String(Math.max(1, this.facts.duration_ms));
    this.#scrubber.addEventListener("input", () => this.#drag());
    this.#scrubber.addEventListener("change", () => this.#drop(Number(this.#scrubber.value)));
    addEventListener("keydown", (event) => this.#key(event));
    requestAnimationFrame(() => this.#tick());
  }

  get playing() {
    return this.facts.state === "running" && !this.#ended;
  }

  /** The playhead, in ms since the first event. */
  get offset() {
    if (this.#dragged) return Number(this.#scrubber.value);
    const passed = this.playing ? (performance.now() - this.#updatedAt) * this.facts.speed : 0;
    return Math.min(this.facts.duration_ms, this.facts.offset_ms + passed);
  }

  /** The original time at the playhead, in ms. */
  get time() {
    return this.startedAt + this.offset;
  }

  // --- messages of the stream ------------------------------------------------------------------------------------

  /** @param {Envelope[]} batch */
  add(batch) {
    for (const event of batch) this.#events.push(event);
    this.#draw();
  }

  /** The next events come after this sequence: drop those beyond it. @param {number} after */
  begin(after) {
    this.#ended = false;
    if (after >= this.#events.length) return;
    this.#events.length = after;
    this.page.restart(this.#events);
  }

  /** @param {ReplayFacts} facts */
  update(facts) {
    this.facts = facts;
    this.#updatedAt = performance.now();
    if (!this.#pending && facts.sequence !== this.#target) this.#target = null; // another page has moved it
    this.#draw();
    this.page.changed();
  }

  end() {
    this.#ended = true;
    const { state, duration_ms: duration } = this.facts;
    if (state === "cancelled") toast(gettext("The replay was cancelled."), "failed");
    else if (state === "expired") toast(gettext("The replay was expired."), "failed");
    else this.facts = { ...this.facts, state: "completed", offset_ms: duration };
    this.#draw();
    this.page.changed();
  }

  // --- commands of the user --------------------------------------------------------------------------------------

  toggle() {
    if (this.#ended) return this.seek({ sequence: 0, paused: false });
    this.#target = null;
    return this.#command(this.playing ? "pause" : "resume", {});
  }

  /** @param {{sequence?: number, offset_ms?: number, paused?: boolean}} target */
  async seek(target) {
    this.#target = target.sequence ?? null;
    const ended = this.#ended;
    // After the end, a seek leaves the replay paused unless the user plays it again.
    await this.#command("seek", ended ? { paused: true, ...target } : target);
    if (ended && this.#ended) this.page.watch(this.#events.length);
  }

  /** @param {-1 | 1} events */
  async step(events) {
    const held = this.#events.length;
    const from = this.playing && !this.#pending ? held : this.#target ?? held;
    await this.seek({ sequence: Math.max(0, Math.min(this.facts.total, from + events)), paused: true });
  }

  /** @param {string} name @param {object} body */
  #command(name, body) {
    this.#pending += 1;
    this.#commands = this.#commands
      .then(() => send("POST", `${this.path}${name}/`, body))
      .catch((error) => toast(messageOf(error), "failed"))
      .finally(() => (this.#pending -= 1));
    return this.#commands;
  }

  /** @param {Event} event @param {string} href */
  async #leave(event, href) {
    event.preventDefault();
    await send("POST", `${this.path}cancel/`, {}).catch(() => null); // another user's replay continues
    location.assign(href);
  }

  #drag() {
    this.#dragged = true;
    this.#draw();
    this.#seeking ||= setTimeout(() => {
      this.#seeking = 0;
      if (this.#dragged) this.seek({ offset_ms: Number(this.#scrubber.value) });
    }, SEEK_PAUSE);
    this.page.changed();
  }

  /** @param {number} offset */
  async #drop(offset) {
    clearTimeout(this.#seeking);
    this.#seeking = 0;
    await this.seek({ offset_ms: offset });
    this.facts = { ...this.facts, offset_ms: offset };
    this.#updatedAt = performance.now();
    this.#dragged = false;
    this.#draw();
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const controls = "input, select, textarea, button, summary, dialog, a";
    const inControl = event.target instanceof Element && event.target.closest(controls);
    if (event.key !== " " || inControl) return;
    event.preventDefault();
    this.toggle();
  }

  // --- the bar ---------------------------------------------------------------------------------------------------

  #tick() {
    const now = performance.now();
    if (this.playing || this.#dragged) this.#drawPosition();
    if (this.playing && now - this.#drawnAt > DRAW_PAUSE) {
      this.#drawnAt = now;
      this.page.changed();
    }
    requestAnimationFrame(() => this.#tick());
  }

  #draw() {
    const { state, speed, total } = this.facts;
    const label = this.#ended ? gettext("Play again") : this.playing ? gettext("Pause") : gettext("Play");
    const play = byId("player-play");
    byId("player").dataset.state = state;
    play.setAttribute("aria-label", label);
    play.title = gettext("{label} (Space)", { label });
    play.dataset.shows = this.playing ? "pause" : "play";
    buttonById("player-back").disabled = this.#events.length === 0;
    buttonById("player-forward").disabled = this.#events.length >= total;
    const offered = [...this.#speed.options].some((option) => Number(option.value) === speed);
    if (!offered) this.#speed.append(new Option(`${speed}×`, String(speed)));
    this.#speed.value = String(speed);
    this.#drawPosition();
  }

  #drawPosition() {
    const { offset } = this;
    const { duration_ms: whole, total } = this.facts;
    if (!this.#dragged) this.#scrubber.value = String(offset);
    this.#scrubber.style.setProperty("--part", `${whole ? (offset / whole) * 100 : 100}%`);
    const times = { time: duration(offset), whole: duration(whole) };
    this.#scrubber.setAttribute("aria-valuetext", gettext("{time} of {whole}", times));
    byId("player-at").textContent = duration(offset);
    byId("player-whole").textContent = duration(whole);
    byId("player-count").textContent = gettext("event {event} of {total}", { event: this.#events.length, total });
    const clock = byId("player-clock");
    clock.textContent = momentText(this.time, "second");
    clock.title = momentTitle(this.time);
  }
}
