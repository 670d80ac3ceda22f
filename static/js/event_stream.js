/**
 * Streams of events over one WebSocket: each event once and in sequence, across reconnections.
 *
 *   const connection = new EventStream();                 // connects at once; { url } for another address than /ws/
 *   const subscription = connection.subscribe("execution:…", {
 *     after: 0,                           // the last sequence that you have; -N: start N events before the newest
 *     types: ["execution.node_*"],        // only these types; level: "lifecycle" also filters
 *     onEvents(events) {},                // one call per frame: in sequence, no duplicates, no gaps
 *     onBegin(after) {},                  // the next events come after this; again when a replay is set back
 *     onReplay(facts) {},                 // the state of a replay, whenever a user changes it
 *     onState(state) {}, onLive(sequence) {}, onEnd(sequence, removed) {}, onError({ code, detail }) {},
 *   });
 *   const { events, complete } = await subscription.loadEarlier();    // the page before the first event, while live
 *   subscription.unsubscribe();
 *   connection.close();
 *
 * `connection.state` and `subscription.state` are one of
 *   connecting    loading history                    live      events arrive as they happen
 *   degraded      events are polled                  offline   no more retries; `connection.why` is the reason
 *   reconnecting  retrying with the cursor
 * The connection has the state of its worst stream. It dispatches "state" when `state` or `why` changes; `why` is "",
 * "login" (log in again), "forbidden", "not_found", "too_many" (retried slowly), "restarting" or "closed".
 * Nothing pauses while the page is hidden. After `onEnd`, only loadEarlier() is useful.
 *
 * @typedef {"connecting" | "live" | "degraded" | "reconnecting" | "offline"} State
 * @typedef {"" | "login" | "forbidden" | "not_found" | "too_many" | "restarting" | "closed"} Why
 * @typedef {{id: string, type: string, source: string, stream: string, sequence: number, time: string,
 *            execution_id: string | null, workflow_id: string | null, mode?: "test" | "debug", data: any}} Envelope
 * @typedef {{code: string, detail: string}} Problem code of the server's error frame, or "removed": some events no
 *            longer exist, and the events after them follow
 * @typedef {{events: Envelope[], complete: boolean}} Page complete: there are no earlier events
 * @typedef {{after?: number, types?: string[], level?: "lifecycle" | "all", onEvents: (events: Envelope[]) => void,
 *            onBegin?: (after: number) => void, onReplay?: (facts: any) => void, onState?: (state: State) => void,
 *            onLive?: (sequence: number) => void,
 *            onEnd?: (sequence: number, removed: boolean) => void, onError?: (problem: Problem) => void}} Options
 */
import { read } from "./exact_json.js";
import { Subscription } from "./subscription.js";

const [FIRST_DELAY, MAX_DELAY] = [250, 1200]; // ms: with the longest, the connection is back within 2 s of the server
const RESTART_DELAY = 1000; // ms: over which the clients of a restarting server spread their reconnections
const [TOO_MANY_DELAY, MAX_TOO_MANY_DELAY] = [4000, 60_000]; // ms, while the server has too many connections
const PROBE_AFTER = 2; // consecutive failures, after which a plain HTTP request checks whether the server is up
const CONNECT_TIMEOUT = 8000;
const [PING_INTERVAL, PONG_TIMEOUT, WAKE_TIMEOUT] = [25_000, 10_000, 3000]; // ms
const [RESTARTING, NOT_AUTHENTICATED, TOO_MANY] = [1012, 4401, 4429];
/** @type {Record<number, Why>} */
const WHY = {
  [RESTARTING]: "restarting",
  [NOT_AUTHENTICATED]: "login",
  4403: "forbidden",
  4404: "not_found",
  [TOO_MANY]: "too_many",
};
const FINAL = new Set(["login", "forbidden", "not_found", "closed"]);
/** @type {State[]} */
const WORST_FIRST = ["reconnecting", "connecting", "degraded", "live"];

/** Return the delay before the next try: exponential, with full jitter. @param {number} failures so far
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
  /** @type {Map<string, number>} unsubscribed and not yet confirmed: their frames are dropped */
  #leaving = new Map();
  /** @type {WebSocket | null} */
  #socket = null;
  #failures = 0; // in a row
  #attempted = false;
  #updating = false;
  #retry = 0; // timers
  #connecting = 0;
  #pings = 0;
  #pong = 0;
  /** @param {Event} event */
  #onWake = ({ type }) => (type === "online" || !document.hidden) && this.wake();

  /** @param {{url?: string, health?: string}} [options] `health`: a URL that responds while the server is up */
  constructor({ url = "/ws/", health = "/healthz" } = {}) {
    super();
    this.url = new URL(url, location.href);
    this.url.protocol = this.url.protocol.replace("http", "ws");
    this.health = new URL(health, location.href);
    addEventListener("online", this.#onWake);
    document.addEventListener("visibilitychange", this.#onWake);
    this.#connect();
  }

  get open() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  /** Subscribe to a stream. A stream has one subscription: a second one replaces the first.
   *  @param {string} stream @param {Options} options @returns {Subscription} */
  subscribe(stream, options) {
    const before = this.#subscriptions.get(stream);
    if (before) this.drop(before);
    const subscription = new Subscription(this, stream, options);
    this.#subscriptions.set(stream, subscription);
    this.request(subscription);
    this.update();
    return subscription;
  }

  /** Close the connection for good. */
  close() {
    removeEventListener("online", this.#onWake);
    document.removeEventListener("visibilitychange", this.#onWake);
    for (const subscription of this.#subscriptions.values()) {
      subscription.refuse("closed", "The connection was closed.");
    }
    this.#detach()?.close(1000);
    this.#setState("closed");
  }

  // --- for subscriptions -----------------------------------------------------------------------------------------

  /** @param {Subscription} subscription */
  request(subscription) {
    if (!this.open) return;
    subscription.requested = true;
    subscription.confirmed = false;
    this.send({ type: "subscribe", stream: subscription.stream, after: subscription.cursor, ...subscription.filter });
  }

  /** @param {Subscription} subscription */
  drop(subscription) {
    const { stream } = subscription;
    if (!this.forget(subscription, "unsubscribed", "The subscription was cancelled.") || !this.open) return;
    this.#leaving.set(stream, (this.#leaving.get(stream) ?? 0) + 1);
    this.send({ type: "unsubscribe", stream });
  }

  /**
   * @param {Subscription} subscription
   * @param {string} code
   * @param {string} detail
   * @returns {boolean} whether it existed
   */
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

  /** Dispatch the connection's state, once for all changes of this task. */
  update() {
    if (this.#updating) return;
    this.#updating = true;
    queueMicrotask(() => {
      this.#updating = false;
      this.#setState(this.open && !this.#failures ? "" : this.why);
    });
  }

  // --- the connection --------------------------------------------------------------------------------------------

  /** @param {Why} why */
  #setState(why) {
    const state = FINAL.has(why) ? "offline" : this.#worst();
    if (state === this.state && why === this.why) return;
    [this.state, this.why] = [state, why];
    this.dispatchEvent(new CustomEvent("state", { detail: state }));
  }

  /** @returns {State} */
  #worst() {
    if (!this.open) return this.#attempted ? "reconnecting" : "connecting";
    const states = new Set([...this.#subscriptions.values()].map((each) => (each.ended ? "live" : each.state)));
    return WORST_FIRST.find((state) => states.has(state)) ?? "live";
  }

  #connect() {
    const socket = (this.#socket = new WebSocket(this.url));
    this.#connecting = setTimeout(() => this.#lost(0), CONNECT_TIMEOUT);
    socket.onopen = () => {
      clearTimeout(this.#connecting);
      this.#attempted = true;
      this.#leaving.clear();
      for (const each of this.#subscriptions.values()) {
        each.confirmed = false;
        if (!each.ended) this.request(each);
        else if (each.reading) each.readAgain();
      }
      this.#pings = setInterval(() => this.#ping(PONG_TIMEOUT), PING_INTERVAL);
      this.update();
    };
    socket.onmessage = ({ data }) => this.#receive(read(data));
    socket.onclose = ({ code }) => this.#lost(code);
  }

  /** Detach the socket and clear all timers. @returns {WebSocket | null} the socket */
  #detach() {
    const socket = this.#socket;
    if (socket) socket.onopen = socket.onmessage = socket.onclose = null;
    for (const timer of [this.#retry, this.#connecting, this.#pings, this.#pong]) clearTimeout(timer);
    this.#socket = null;
    this.#retry = this.#pong = 0;
    return socket;
  }

  /** @param {number} code of the close; 0 after a time-out */
  #lost(code) {
    this.#detach()?.close();
    this.#attempted = true;
    const why = WHY[code] ?? "";
    this.#setState(why);
    for (const each of this.#subscriptions.values()) {
      if (!each.ended) each.setState(FINAL.has(why) ? "offline" : "reconnecting");
    }
    if (FINAL.has(why)) return;
    const delay = code === RESTARTING
      ? Math.random() * RESTART_DELAY
      : code === TOO_MANY
      ? TOO_MANY_DELAY / 2 + backOff(this.#failures, TOO_MANY_DELAY, MAX_TOO_MANY_DELAY)
      : backOff(this.#failures, FIRST_DELAY, MAX_DELAY);
    this.#failures += 1;
    this.#retry = setTimeout(() => this.#reconnect(), delay);
  }

  /** Reconnect. After repeated failures browsers delay new sockets by seconds, but not HTTP requests, so the server is
   *  first checked over HTTP. */
  async #reconnect() {
    clearTimeout(this.#retry);
    const mine = (this.#retry = setTimeout(() => this.#lost(0), CONNECT_TIMEOUT));
    const up = this.#failures < PROBE_AFTER ||
      (await fetch(this.health, { method: "HEAD", cache: "no-store" }).then(({ status }) => status < 500, () => false));
    if (this.#retry !== mine) return; // another attempt has started, or the connection was closed
    clearTimeout(mine);
    this.#retry = 0;
    if (up) this.#connect();
    else this.#lost(0);
  }

  /** The page is visible again, the network is back, or the user has signed in: reconnect at once, or check the
   *  connection. */
  wake() {
    if (this.open) this.#ping(WAKE_TIMEOUT);
    else if (this.why === "login" || (this.#retry && this.why !== "too_many")) this.#reconnect();
  }

  /** @param {number} timeout */
  #ping(timeout) {
    this.send({ type: "ping" });
    clearTimeout(this.#pong);
    this.#pong = setTimeout(() => this.#lost(0), timeout);
  }

  /** @param {any} frame */
  #receive(frame) {
    if (this.#pong) clearTimeout(this.#pong); // any frame shows that the connection works
    this.#pong = 0;
    if (this.#failures) this.update();
    this.#failures = 0;
    const { type, stream } = frame;
    const leaving = this.#leaving.get(stream);
    if (type === "unsubscribed" && leaving) this.#leaving.set(stream, leaving - 1);
    else if (!leaving && typeof stream === "string") this.#subscriptions.get(stream)?.receive(frame);
    else if (type === "error" && typeof stream !== "string") {
      for (const each of this.#subscriptions.values()) each.refuse(frame.code, frame.detail);
    }
  }
}
