/**
 * One stream of an EventStream: its cursor, what is missing, the pages before it. The page's side of it is described in
 * event_stream.js.
 * @import { EventStream, Envelope, Options, Page, Problem, State } from "./event_stream.js"
 * @typedef {{before: number | undefined, limit: number, after: number, timer: number, promise: Promise<Page>,
 *            resolve: (page: Page) => void, reject: (error: Error) => void}} Reading
 */
const READ_TIMEOUT = 10_000;
const MOST_AT_ONCE = 1000; // events of a page, as the server gives at most
const WITHOUT_GAPS = /^(execution|workflow):|^system$/; // in `executions`, the missing sequences are others' events

/** Call what a page has given. That it fails is reported, and keeps nobody else from their events.
 *  @template {any[]} A @param {((...values: A) => void) | undefined} handler @param {A} values */
function call(handler, ...values) {
  try {
    handler?.(...values);
  } catch (error) {
    reportError(error);
  }
}

/** Return what tells whether a type fits one of the patterns, in which `*` stands for anything. @param {string[]} patterns */
function matcher(patterns) {
  const sources = patterns.map((pattern) => pattern.replace(/[.+?^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*"));
  return new RegExp(`^(?:${sources.join("|")})$`);
}

/** One stream of a connection. Made by `EventStream.subscribe`. */
export class Subscription {
  /** @type {State} */
  state = "connecting";
  ended = false;
  /** Asked for, and not answered yet: what arrives until `subscribed` is of an earlier asking. */
  asked = false;
  /** @type {number | undefined} where a gap was found: if it is there again, the events exist no more */
  gap;
  /** @type {number | undefined} nothing up to this sequence has been delivered; unknown until the server has answered */
  earliest;
  /** @type {Reading | undefined} */
  reading;

  /** @param {EventStream} connection @param {string} stream @param {Options} options */
  constructor(connection, stream, { after = 0, types, level, ...handlers }) {
    this.connection = connection;
    this.stream = stream;
    /** The last sequence that was delivered or that a filter left out: all that a reconnection needs. */
    this.cursor = after;
    this.handlers = handlers;
    this.filter = { ...(types && { types }), ...(level && { level }) };
    this.wanted = types && matcher(types);
    this.gapless = WITHOUT_GAPS.test(stream) && !types && level !== "lifecycle";
  }

  unsubscribe() {
    this.connection.drop(this);
  }

  /**
   * Bring up to `limit` (at most 1000) events before the sequence `before`, by default before the first one delivered.
   * One page at a time: a second call gets the first one's promise. A lost connection delays the answer. Rejects with
   * an Error that has a `code` if the server refuses, does not answer, or the subscription is given up.
   * @param {{before?: number, limit?: number}} [options] @returns {Promise<Page>}
   */
  loadEarlier({ before, limit = 500 } = {}) {
    if (this.reading) return this.reading.promise;
    const { promise, resolve, reject } = Promise.withResolvers();
    const timer = setTimeout(() => this.refuse("no_answer", "The server does not answer."), READ_TIMEOUT);
    this.reading = { before, limit: Math.min(limit, MOST_AT_ONCE), after: 0, timer, promise, resolve, reject };
    if (this.ended) this.readAgain();
    else if (this.connection.open && !this.asked) this.read(); // else as soon as the server has answered
    return promise;
  }

  /** Read of a stream that has ended, which the server has forgotten: it is asked for along with the page. */
  readAgain() {
    this.connection.ask(this);
    this.read();
  }

  read() {
    const { reading } = this;
    if (!reading || this.earliest === undefined) return;
    const last = (reading.before ?? this.earliest + 1) - 1;
    reading.before = last + 1;
    reading.after = Math.max(0, last - reading.limit);
    if (last > 0) this.connection.send({ type: "read", stream: this.stream, after: reading.after, limit: last - reading.after });
    else this.answer([]);
  }

  /** @param {Envelope[]} events */
  answer(events) {
    const { before = 1, after, timer, resolve } = /** @type {Reading} */ (this.reading);
    clearTimeout(timer);
    this.reading = undefined;
    this.earliest = Math.min(after, this.earliest ?? after);
    resolve({ events: events.filter(({ sequence, type }) => sequence < before && (this.wanted?.test(type) ?? true)), complete: after === 0 });
  }

  /** Give up what is being read. @param {string} code @param {string} detail */
  refuse(code, detail) {
    if (!this.reading) return;
    clearTimeout(this.reading.timer);
    this.reading.reject(Object.assign(new Error(detail), { code }));
    this.reading = undefined;
  }

  /** @param {State} state */
  become(state) {
    if (this.state === state) return;
    this.state = state;
    this.connection.update();
    call(this.handlers.onState, state);
  }

  /** Take a frame of this stream. @param {any} frame */
  take(frame) {
    if (frame.type === "error") return this.fail(frame);
    if (frame.type === "subscribed") return this.begin(frame);
    if (this.asked) return;
    if (frame.type === "page") return this.reading?.after === frame.after ? this.answer(frame.events) : undefined;
    if (this.ended) return;
    if (frame.type === "events") this.deliver(frame);
    else if (frame.type === "end") this.end(frame);
    else if (frame.type === "replay") call(this.handlers.onReplay, frame);
    else if (frame.type === "live" || frame.type === "degraded") {
      this.become(frame.type);
      if (frame.type === "live") call(this.handlers.onLive, frame.sequence);
    }
  }

  /** @param {{after?: number}} frame */
  begin({ after }) {
    this.asked = false;
    if (!this.ended) this.cursor = Math.max(0, after ?? this.cursor);
    this.earliest ??= this.cursor;
    call(this.handlers.onBegin, this.cursor);
    if (!this.ended) this.read();
  }

  /** @param {{events: Envelope[], through?: number}} frame */
  deliver({ events, through = 0 }) {
    const fresh = [];
    let missing = null;
    for (const event of events) {
      if (event.sequence <= this.cursor) continue;
      if (this.gapless && event.sequence !== this.cursor + 1) {
        missing = event;
        break;
      }
      this.cursor = event.sequence;
      if (this.wanted?.test(event.type) ?? true) fresh.push(event);
    }
    if (fresh.length) call(this.handlers.onEvents, fresh);
    if (missing && this.isGone(missing.sequence - 1)) this.deliver({ events, through });
    else if (!this.gapless) this.cursor = Math.max(this.cursor, through);
  }

  /** Fetch what is missing up to a sequence. Returns true if that was tried before: it is gone for good then, which the
   *  page is told, and what follows is next. @param {number} sequence */
  isGone(sequence) {
    if (this.gap !== this.cursor) {
      this.gap = this.cursor;
      this.connection.ask(this);
      return false;
    }
    const detail = `The events from ${this.cursor + 1} to ${sequence} exist no more.`;
    this.cursor = sequence;
    call(this.handlers.onError, { code: "removed", detail });
    return true;
  }

  /** @param {{sequence: number, removed?: boolean}} frame */
  end({ sequence, removed = false }) {
    if (this.gapless && !removed && sequence > this.cursor && !this.isGone(sequence)) return;
    this.ended = true;
    if (this.reading) this.readAgain(); // it went unanswered
    this.become("live");
    this.connection.update();
    call(this.handlers.onEnd, sequence, removed);
  }

  /** @param {Problem} problem */
  fail({ code, detail }) {
    if (this.ended || (this.reading && !this.asked && code !== "forbidden")) {
      this.asked = false;
      return this.refuse(code, detail);
    }
    // What the user may see has changed: one more try tells whether this stream is still among it.
    if (code === "forbidden" && !this.asked) return this.connection.ask(this);
    this.connection.forget(this, code, detail);
    this.become("offline");
    call(this.handlers.onError, { code, detail });
  }
}
