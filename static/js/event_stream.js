/**
 * One WebSocket for any number of streams: reconnects with back-off and jitter, resumes by cursor, drops what it has.
 * @typedef {{id: string, type: string, stream: string, sequence: number, time: string, execution_id: ?string, data: any}} Envelope
 * @typedef {{onEvents: (events: Envelope[]) => void, onLive?: (sequence: number) => void,
 *            onEnd?: (sequence: number) => void, onError?: (error: {code: string, detail: string}) => void}} Handlers
 */
const FIRST_DELAY = 250;
const LONGEST_DELAY = 2000;
const PING_INTERVAL = 25_000;
const PONG_TIMEOUT = 10_000;

export class EventStream extends EventTarget {
  /** @param {{url?: string}} [options] */
  constructor({ url = "/ws/" } = {}) {
    super();
    this.url = new URL(url, location.href);
    this.url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    /** @type {"connecting" | "live" | "reconnecting" | "offline"} */
    this.state = "connecting";
    /** @type {Map<string, Handlers & {cursor: number}>} */
    this.subscriptions = new Map();
    this.attempts = 0;
    this.connect();
  }

  /** Bring the events of a stream after a sequence, and all that follow. @param {string} stream
   *  @param {Handlers & {after?: number}} handlers */
  subscribe(stream, { after = 0, ...handlers }) {
    this.subscriptions.set(stream, { ...handlers, cursor: after });
    if (this.socket.readyState === WebSocket.OPEN) this.ask(stream);
    return { unsubscribe: () => this.drop(stream) };
  }

  drop(stream) {
    if (this.subscriptions.delete(stream)) this.send({ type: "unsubscribe", stream });
  }

  ask(stream) {
    this.send({ type: "subscribe", stream, after: this.subscriptions.get(stream).cursor });
  }

  send(frame) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(frame));
  }

  connect() {
    this.socket = new WebSocket(this.url);
    this.socket.onopen = () => {
      this.attempts = 0;
      this.become("live");
      for (const stream of this.subscriptions.keys()) this.ask(stream);
      this.pings = setInterval(() => this.ping(), PING_INTERVAL);
    };
    this.socket.onmessage = (message) => this.take(JSON.parse(message.data));
    this.socket.onclose = (event) => this.closed(event.code);
  }

  ping() {
    this.send({ type: "ping" });
    this.pong = setTimeout(() => this.socket.close(), PONG_TIMEOUT);
  }

  closed(code) {
    clearInterval(this.pings);
    clearTimeout(this.pong);
    if (code === 4401 || code === 4403) return this.become("offline");
    this.become("reconnecting");
    const delay = Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** this.attempts++);
    setTimeout(() => this.connect(), delay * (0.5 + Math.random() / 2));
  }

  become(state) {
    this.state = state;
    this.dispatchEvent(new CustomEvent("state", { detail: state }));
  }

  take(frame) {
    if (frame.type === "pong") return clearTimeout(this.pong);
    const subscription = this.subscriptions.get(frame.stream);
    if (!subscription) return;
    if (frame.type === "events") {
      const fresh = frame.events.filter((event) => event.sequence > subscription.cursor);
      if (fresh.length) {
        subscription.cursor = fresh.at(-1).sequence;
        subscription.onEvents(fresh);
      }
    } else if (frame.type === "live") subscription.onLive?.(frame.sequence);
    else if (frame.type === "end") {
      this.subscriptions.delete(frame.stream);
      subscription.onEnd?.(frame.sequence);
    } else if (frame.type === "error") subscription.onError?.(frame);
  }
}

/** Show the connection's state in the page's pill. @param {EventStream} stream */
export function showConnection(stream) {
  const pill = document.getElementById("connection");
  const show = () => {
    pill.hidden = false;
    pill.dataset.state = stream.state;
    pill.textContent = stream.state;
  };
  stream.addEventListener("state", show);
  show();
}
