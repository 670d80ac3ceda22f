/**
 * One stream of an EventStream: its cursor, its gaps, the pages before it. event_stream.js documents its use.
 * @import { EventStream, Envelope, Options, Page, Problem, State } from "./event_stream.js"
 * @typedef {{before: number | undefined, limit: number, after: number, timer: number, promise: Promise<Page>,
 *            resolve: (page: Page) => void, reject: (error: Error) => void}} Reading
 */
import { gettext } from "./translations.js";

const READ_TIMEOUT = 10_000;
const MAX_PAGE = 1000; // events, as the server allows
const WITHOUT_GAPS = /^(execution|workflow|user):|^system$/; // `executions` skips the events of other users

/** Call a handler of the page. Its errors are reported and do not stop the stream.
 *  @template {any[]} A @param {((...values: A) => void) | undefined} handler @param {A} values */
function call(handler, ...values) {
  try {
    handler?.(...values);
  } catch (error) {
    reportError(error);
  }
}

/** Return an expression for the types that match a pattern, in which `*` is a wildcard. @param {string[]} patterns */
function matcher(patterns) {
  const sources = patterns.map((pattern) => pattern.replace(/[.+?^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*"));
  return new RegExp(`^(?:${sources.join("|")})$`);
}

/** One stream of a connection. Made by `EventStream.subscribe`. */
export class Subscription {
  /** @type {State} */
  state = "connecting";
  ended = false;
  /** Requested and not yet confirmed: frames before `subscribed` belong to an earlier request. */
  requested = false;
  /** The server knows the subscription on this connection: it answers requests of pages, also after the end. */
  confirmed = false;
  /** @type {number | undefined} where a gap was found: if it is found again, the events no longer exist */
  gap;
  /** @type {number | undefined} the events after this sequence have been delivered; unknown until confirmed */
  earliest;
  /** @type {Reading | undefined} */
  reading;

  /** @param {EventStream} connection @param {string} stream @param {Options} options */
  constructor(connection, stream, { after = 0, types, level, ...handlers }) {
    this.connection = connection;
    this.stream = stream;
    /** The last sequence that was delivered or filtered out: all that a reconnection needs. */
    this.cursor = after;
    this.handlers = handlers;
    this.filter = { ...(types && { types }), ...(level && { level }) };
    this.matches = types && matcher(types);
    this.gapless = WITHOUT_GAPS.test(stream) && !types && level !== "lifecycle";
  }

  unsubscribe() {
    this.connection.drop(this);
  }

  /**
   * Load up to `limit` (at most 1000) events before the sequence `before`, by default before the first one delivered.
   * One page at a time: a second call returns the promise of the first. A lost connection delays the page. Rejects with
   * an Error with a `code` if the server refuses or does not respond, or if the subscription is cancelled.
   * @param {{before?: number, limit?: number}} [options] @returns {Promise<Page>}
   */
  loadEarlier({ before, limit = 500 } = {}) {
    if (this.reading) return this.reading.promise;
    const { promise, resolve, reject } = Promise.withResolvers();
    const timer = setTimeout(() => this.refuse("no_answer", gettext("The server did not respond.")), READ_TIMEOUT);
    this.reading = { before, limit: Math.min(limit, MAX_PAGE), after: 0, timer, promise, resolve, reject };
    if (this.connection.open && this.confirmed) this.read(); // else when the server has confirmed
    else if (this.ended) this.readAgain();
    return promise;
  }

  /** Read from a stream that had ended before this connection: the server does not know the subscription. */
  readAgain() {
    this.connection.request(this);
    this.read();
  }

  read() {
    const { reading } = this;
    if (!reading || this.earliest === undefined) return;
    const last = (reading.before ?? this.earliest + 1) - 1;
    reading.before = last + 1;
    reading.after = Math.max(0, last - reading.limit);
    if (last > 0) {
      this.connection.send({ type: "read", stream: this.stream, after: reading.after, limit: last - reading.after });
    } else this.resolvePage([]);
  }

  /** @param {Envelope[]} events */
  resolvePage(events) {
    const { before = 1, after, timer, resolve } = /** @type {Reading} */ (this.reading);
    clearTimeout(timer);
    this.reading = undefined;
    this.earliest = Math.min(after, this.earliest ?? after);
    resolve({
      events: events.filter(({ sequence, type }) => sequence < before && (this.matches?.test(type) ?? true)),
      complete: after === 0,
    });
  }

  /** Reject the page that is being loaded. @param {string} code @param {string} detail */
  refuse(code, detail) {
    if (!this.reading) return;
    clearTimeout(this.reading.timer);
    this.reading.reject(Object.assign(new Error(detail), { code }));
    this.reading = undefined;
  }

  /** @param {State} state */
  setState(state) {
    if (this.state === state) return;
    this.state = state;
    this.connection.update();
    call(this.handlers.onState, state);
  }

  /** Handle a frame of this stream. @param {any} frame */
  receive(frame) {
    if (frame.type === "error") return this.fail(frame);
    if (frame.type === "subscribed") return this.begin(frame);
    if (this.requested) return;
    if (frame.type === "page") return this.reading?.after === frame.after ? this.resolvePage(frame.events) : undefined;
    if (this.ended) return;
    if (frame.type === "events") this.deliver(frame);
    else if (frame.type === "end") this.end(frame);
    else if (frame.type === "replay") call(this.handlers.onReplay, frame);
    else if (frame.type === "live" || frame.type === "degraded") {
      this.setState(frame.type);
      if (frame.type === "live") call(this.handlers.onLive, frame.sequence);
    }
  }

  /** @param {{after?: number}} frame */
  begin({ after }) {
    this.requested = false;
    this.confirmed = true;
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
      if (this.matches?.test(event.type) ?? true) fresh.push(event);
    }
    if (fresh.length) call(this.handlers.onEvents, fresh);
    if (missing && this.isGone(missing.sequence - 1)) this.deliver({ events, through });
    else if (!this.gapless) this.cursor = Math.max(this.cursor, through);
  }

  /** Request the missing events up to a sequence. Returns true if that was tried before: the events no longer exist,
   *  the page gets an error, and the stream continues after them. @param {number} sequence */
  isGone(sequence) {
    if (this.gap !== this.cursor) {
      this.gap = this.cursor;
      this.connection.request(this);
      return false;
    }
    const detail = gettext("Events {first} to {last} no longer exist.", { first: this.cursor + 1, last: sequence });
    this.cursor = sequence;
    call(this.handlers.onError, { code: "removed", detail });
    return true;
  }

  /** @param {{sequence: number, removed?: boolean}} frame */
  end({ sequence, removed = false }) {
    if (this.gapless && !removed && sequence > this.cursor && !this.isGone(sequence)) return;
    this.ended = true;
    this.setState("live");
    this.connection.update();
    call(this.handlers.onEnd, sequence, removed);
  }

  /** @param {Problem} problem */
  fail({ code, detail }) {
    if (this.ended || (this.reading && !this.requested && code !== "forbidden")) {
      this.requested = false;
      return this.refuse(code, detail);
    }
    // The user's permissions have changed: one more request shows whether this stream is still visible.
    if (code === "forbidden" && !this.requested) return this.connection.request(this);
    this.connection.forget(this, code, detail);
    this.setState("offline");
    call(this.handlers.onError, { code, detail });
  }
}
