/** The window of time that the timeline shows: all of it, or a part that is zoomed and panned. */

const STEP = 1.5;
const MIN_SPAN = 1; // ms
const GROWTH = 1.3; // how far ahead the axis of a running execution reaches
const PAN = 0.15; // of the window, per key
const QUEUE = 1 / 3; // of the time since the start: the queue before it has at most so much room at first

export class TimeView {
  /** @type {[number, number] | null} null: everything */
  #chosen = null;
  #end = MIN_SPAN;
  #queued = 0; // ms before 0

  /** @param {HTMLElement} root has the axis, the lanes and the keyboard focus @param {() => {left: number, width: number}} track
   *  where the lanes are, in pixels of the window @param {() => void} onChange */
  constructor(root, track, onChange) {
    this.track = track;
    this.onChange = onChange;
    root.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    root.addEventListener("keydown", (event) => this.#key(event));
  }

  /** @returns {[number, number]} */
  get window() {
    return this.#chosen ?? [this.#first, this.#end];
  }

  get #first() {
    return -Math.min(this.#queued, this.#end * QUEUE);
  }

  get isZoomed() {
    return this.#chosen !== null;
  }

  /** The execution has come to this time. While it runs the axis grows in steps, so that bars stay in place.
   *  @param {number} elapsed in ms @param {boolean} ended @param {number} queued ms before the start */
  reach(elapsed, ended, queued) {
    this.#queued = queued;
    if (ended) this.#end = Math.max(MIN_SPAN, elapsed);
    else if (elapsed > this.#end || elapsed * GROWTH * GROWTH < this.#end) this.#end = Math.max(100, elapsed * GROWTH);
  }

  reset() {
    this.#chosen = null;
  }

  fit() {
    this.reset();
    this.onChange();
  }

  /** Zoom around a place, from 0 at the left to 1. @param {number} factor @param {number} [place] */
  zoom(factor, place = 0.5) {
    const [from, to] = this.window;
    const span = Math.max(MIN_SPAN, (to - from) / factor);
    this.#choose(from + (to - from) * place - span * place, span);
  }

  /** @param {number} share of the window */
  pan(share) {
    const [from, to] = this.window;
    if (this.#chosen) this.#choose(from + (to - from) * share, to - from);
  }

  /** Show a time, without a change of the zoom. @param {number} at */
  reveal(at) {
    const [from, to] = this.window;
    if (this.#chosen && (at < from || at > to)) this.#choose(at - (to - from) / 2, to - from);
  }

  /** @param {number} from @param {number} span */
  #choose(from, span) {
    const whole = this.#end + this.#queued;
    if (span >= whole && this.#first === -this.#queued) this.#chosen = null;
    else {
      const length = Math.min(span, whole);
      const start = Math.max(-this.#queued, Math.min(from, this.#end - length));
      this.#chosen = [start, start + length];
    }
    this.onChange();
  }

  /** Return the time at a horizontal place of the page. @param {number} clientX */
  at(clientX) {
    const { left, width } = this.track();
    const [from, to] = this.window;
    return from + ((clientX - left) / width) * (to - from);
  }

  /** @param {WheelEvent} event */
  #wheel(event) {
    const { left, width } = this.track();
    const sideways = event.shiftKey ? event.deltaY || event.deltaX : event.deltaX;
    if (event.ctrlKey || event.metaKey) {
      this.zoom(Math.exp(-event.deltaY / 300), Math.max(0, Math.min(1, (event.clientX - left) / width)));
    } else if (this.#chosen && Math.abs(sideways) > Math.abs(event.shiftKey ? 0 : event.deltaY)) {
      this.pan(sideways / width);
    } else return; // the lanes scroll
    event.preventDefault();
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "+" || event.key === "=") this.zoom(STEP);
    else if (event.key === "-") this.zoom(1 / STEP);
    else if (event.key === "0") this.fit();
    else if (event.key === "ArrowLeft") this.pan(-PAN);
    else if (event.key === "ArrowRight") this.pan(PAN);
    else return;
    event.preventDefault();
  }
}
