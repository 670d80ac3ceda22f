/**
 * Streams of events over one WebSocket: each event once and in sequence, whatever happens to the connection.
 *
 *   const connection = new EventStream();                 // connects at once; { url } for another address than /ws/
 *   const subscription = connection.subscribe("execution:…", {
 *     after: 0,                           // the last sequence that you hold; -N: begin N events before the newest
 *     types: ["execution.node_*"],        // only these, and level: "lifecycle"; without either, everything
 *     onEvents(events) {},                // one call for each frame, in sequence, nothing twice, no gap
 *     onBegin(after) {},                  // what follows comes after this; a replay that was set back says so again
 *     onReplay(facts) {},                 // where a replay stands, whenever somebody has changed that
 *     onState(state) {}, onLive(sequence) {}, onEnd(sequence, removed) {}, onError({ code, detail }) {},
 *   });
 *   const { events, complete } = await subscription.loadEarlier();    // the page before the first event, while live
 *   subscription.unsubscribe();
 *   connection.close();
 *
 * `connection.state` and `subscription.state` are one of
 *   connecting    history is on its way              live      what happens comes at once
 *   degraded      events come, but polled            offline   it will not come back by itself; `connection.why` says why
 *   reconnecting  tried again, with the cursor, until it works
 * The connection is as well as its worst stream, and dispatches "state" whenever `state` or `why` change; `why` is "",
 * "login" (log in again), "forbidden", "not_found", "too_many" (tried again, slowly), "restarting" or "closed".
 * Nothing pauses while the page is hidden. After `onEnd`, only loadEarlier() is of use.
 *
 * @typedef {"connecting" | "live" | "degraded" | "reconnecting" | "offline"} State
 * @typedef {"" | "login" | "forbidden" | "not_found" | "too_many" | "restarting" | "closed"} Why
 * @typedef {{id: string, type: string, source: string, stream: string, sequence: number, time: string,
 *            execution_id: string | null, workflow_id: string | null, data: any}} Envelope
 * @typedef {{code: string, detail: string}} Problem code of the server's error frame, or "removed": some events exist
 *            no more, and those after them follow
 * @typedef {{events: Envelope[], complete: boolean}} Page complete: there is nothing before it
 * @typedef {{after?: number, types?: string[], level?: "lifecycle" | "all", onEvents: (events: Envelope[]) => void,
 *            onBegin?: (after: number) => void, onReplay?: (facts: any) => void, onState?: (state: State) => void, onLive?: (sequence: number) => void,
 *            onEnd?: (sequence: number, removed: boolean) => void, onError?: (problem: Problem) => void}} Options
 */
import { Subscription } from "./subscription.js";

const [FIRST_DELAY, LONGEST_DELAY] = [250, 1200]; // ms: with the longest, and what connecting takes, it is back within 2 s of the server
const RESTART_DELAY = 1000; // ms: those whom a restarting server sends away come back spread over so long
const [CROWDED_DELAY, LONGEST_CROWDED_DELAY] = [4000, 60_000]; // ms, while the server has too many
const PROBED = 2; // failures in a row, after which plain HTTP asks whether the server is there
const CONNECT_TIMEOUT = 8000;
const [PING_INTERVAL, PONG_TIMEOUT, WAKING_TIMEOUT] = [25_000, 10_000, 3000]; // ms
const [RESTARTING, NOT_AUTHENTICATED, TOO_MANY] = [1012, 4401, 4429];
/** @type {Record<number, Why>} */
const WHY = { [RESTARTING]: "restarting", [NOT_AUTHENTICATED]: "login", 4403: "forbidden", 4404: "not_found", [TOO_MANY]: "too_many" };
const FINAL = new Set(["login", "forbidden", "not_found", "closed"]);
/** @type {State[]} */
const WORST_FIRST = ["reconnecting", "connecting", "degraded", "live"];

/** Return how long to wait before the next try: exponential, with full jitter. @param {number} failures so far
 *  @param {number} first @param {number} longest all in ms */
function backOff(failures, first, longest) {
  return Math.random() * Math.min(longest, first * 2 ** Math.min(failures, 30));
}

export class EventStream extends EventTarget {
  /** @type {State} */
  state = "connecting";
  /** @type {Why} */
  why = "";
  /** @type {Map<string, Subscription>} */
  #subscriptions = new Map();
  /** @type {Map<string, number>} unsubscribed, and not yet confirmed: what arrives of them is for nobody */
  #leaving = new Map();
  /** @type {WebSocket | null} */
  #socket = null;
  #failures = 0; // in a row
  #tried = false;
  #updating = false;
  #retry = 0; // timers
  #connecting = 0;
  #pings = 0;
  #pong = 0;
  /** @param {Event} event */
  #waking = ({ type }) => (type === "online" || !document.hidden) && this.#wake();

  /** @param {{url?: string, health?: string}} [options] `health`: what answers over HTTP while the server is there */
  constructor({ url = "/ws/", health = "/healthz" } = {}) {
    super();
    this.url = new URL(url, location.href);
    this.url.protocol = this.url.protocol.replace("http", "ws");
    this.health = new URL(health, location.href);
    addEventListener("online", this.#waking);
    document.addEventListener("visibilitychange", this.#waking);
    this.#connect();
  }

  get open() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  /** Bring the events of a stream. One subscription for a stream: a second one takes the place of the first.
   *  @param {string} stream @param {Options} options @returns {Subscription} */
  subscribe(stream, options) {
    const before = this.#subscriptions.get(stream);
    if (before) this.drop(before);
    const subscription = new Subscription(this, stream, options);
    this.#subscriptions.set(stream, subscription);
    this.ask(subscription);
    this.update();
    return subscription;
  }

  /** End all of it, for good. */
  close() {
    removeEventListener("online", this.#waking);
    document.removeEventListener("visibilitychange", this.#waking);
    for (const subscription of this.#subscriptions.values()) subscription.refuse("closed", "The connection was closed.");
    this.#part()?.close(1000);
    this.#say("closed");
  }

  // --- for subscriptions -----------------------------------------------------------------------------------------

  /** @param {Subscription} subscription */
  ask(subscription) {
    if (!this.open) return;
    subscription.asked = true;
    this.send({ type: "subscribe", stream: subscription.stream, after: subscription.cursor, ...subscription.filter });
  }

  /** @param {Subscription} subscription */
  drop(subscription) {
    const { stream } = subscription;
    if (!this.forget(subscription, "unsubscribed", "The subscription was given up.") || !this.open) return;
    this.#leaving.set(stream, (this.#leaving.get(stream) ?? 0) + 1);
    this.send({ type: "unsubscribe", stream });
  }

  /** @param {Subscription} subscription @param {string} code @param {string} detail @returns {boolean} whether it was there */
  forget(subscription, code, detail) {
    subscription.refuse(code, detail);
    if (this.#subscriptions.get(subscription.stream) !== subscription) return false;
    this.update();
    return this.#subscriptions.delete(subscription.stream);
  }

  /** @param {object} frame */
  send(frame) {
    if (this.open) this.#socket?.send(JSON.stringify(frame));
  }

  /** Tell the page, soon and once, how the connection now is. */
  update() {
    if (this.#updating) return;
    this.#updating = true;
    queueMicrotask(() => {
      this.#updating = false;
      this.#say(this.open && !this.#failures ? "" : this.why);
    });
  }

  // --- the connection --------------------------------------------------------------------------------------------

  /** @param {Why} why */
  #say(why) {
    const state = FINAL.has(why) ? "offline" : this.#worst();
    if (state === this.state && why === this.why) return;
    [this.state, this.why] = [state, why];
    this.dispatchEvent(new CustomEvent("state", { detail: state }));
  }

  /** @returns {State} */
  #worst() {
    if (!this.open) return this.#tried ? "reconnecting" : "connecting";
    const states = new Set([...this.#subscriptions.values()].map((each) => (each.ended ? "live" : each.state)));
    return WORST_FIRST.find((state) => states.has(state)) ?? "live";
  }

  #connect() {
    const socket = (this.#socket = new WebSocket(this.url));
    this.#connecting = setTimeout(() => this.#lost(0), CONNECT_TIMEOUT);
    socket.onopen = () => {
      clearTimeout(this.#connecting);
      this.#tried = true;
      this.#leaving.clear();
      for (const each of this.#subscriptions.values()) {
        if (!each.ended) this.ask(each);
        else if (each.reading) each.readAgain();
      }
      this.#pings = setInterval(() => this.#ping(PONG_TIMEOUT), PING_INTERVAL);
      this.update();
    };
    socket.onmessage = ({ data }) => this.#take(JSON.parse(data));
    socket.onclose = ({ code }) => this.#lost(code);
  }

  /** Leave the socket, whatever state it is in, and all timers. @returns {WebSocket | null} the socket */
  #part() {
    const socket = this.#socket;
    if (socket) socket.onopen = socket.onmessage = socket.onclose = null;
    for (const timer of [this.#retry, this.#connecting, this.#pings, this.#pong]) clearTimeout(timer);
    this.#socket = null;
    this.#retry = this.#pong = 0;
    return socket;
  }

  /** @param {number} code of the close; 0 if the socket was silent for too long */
  #lost(code) {
    this.#part()?.close();
    this.#tried = true;
    const why = WHY[code] ?? "";
    this.#say(why);
    for (const each of this.#subscriptions.values()) if (!each.ended) each.become(FINAL.has(why) ? "offline" : "reconnecting");
    if (FINAL.has(why)) return;
    const delay = code === RESTARTING ? Math.random() * RESTART_DELAY
      : code === TOO_MANY ? CROWDED_DELAY / 2 + backOff(this.#failures, CROWDED_DELAY, LONGEST_CROWDED_DELAY)
      : backOff(this.#failures, FIRST_DELAY, LONGEST_DELAY);
    this.#failures += 1;
    this.#retry = setTimeout(() => this.#again(), delay);
  }

  /** Try again. Browsers hold back the sockets of a page whose sockets have failed often, by seconds, so what is asked
   *  then is first whether the server is there, over HTTP, which they do not hold back. */
  async #again() {
    clearTimeout(this.#retry);
    const mine = (this.#retry = setTimeout(() => this.#lost(0), CONNECT_TIMEOUT));
    const there = this.#failures < PROBED || (await fetch(this.health, { method: "HEAD", cache: "no-store" }).then(({ status }) => status < 500, () => false));
    if (this.#retry !== mine) return; // somebody else has tried, or it was closed
    clearTimeout(mine);
    this.#retry = 0;
    if (there) this.#connect();
    else this.#lost(0);
  }

  /** The page is looked at again, or the network is back: try at once, or see whether the connection is what it seems. */
  #wake() {
    if (this.open) this.#ping(WAKING_TIMEOUT);
    else if (this.why === "login" || (this.#retry && this.why !== "too_many")) this.#again();
  }

  /** @param {number} timeout */
  #ping(timeout) {
    this.send({ type: "ping" });
    clearTimeout(this.#pong);
    this.#pong = setTimeout(() => this.#lost(0), timeout);
  }

  /** @param {any} frame */
  #take(frame) {
    if (this.#pong) clearTimeout(this.#pong); // whatever it says, it lives
    this.#pong = 0;
    if (this.#failures) this.update();
    this.#failures = 0;
    const { type, stream } = frame;
    const leaving = this.#leaving.get(stream);
    if (type === "unsubscribed" && leaving) this.#leaving.set(stream, leaving - 1);
    else if (!leaving && typeof stream === "string") this.#subscriptions.get(stream)?.take(frame);
    else if (type === "error" && typeof stream !== "string") for (const each of this.#subscriptions.values()) each.refuse(frame.code, frame.detail);
  }
}
