/**
 * Draws in parts, each in a frame of its own, so that no frame is long. However often it is requested, it takes at most
 * a fifth of the time.
 */

const IDLE_SHARE = 4;

export class DrawCycle {
  #isDrawing = false;
  #isStale = false;
  #idleUntil = 0;

  /** @param {(() => unknown)[]} parts drawn one after the other; one that returns true is called again */
  constructor(parts) {
    this.parts = parts;
  }

  /** Draw, now or after the drawing that is under way. */
  request() {
    this.#isStale = true;
    if (this.#isDrawing) return;
    this.#isDrawing = true;
    const wait = this.#idleUntil - performance.now();
    const begin = () =>
      requestAnimationFrame(() => {
        this.#isStale = false;
        this.#draw(0, 0);
      });
    if (wait > 0) setTimeout(begin, wait);
    else begin();
  }

  /** @param {number} index of the part @param {number} worked ms on the parts before */
  #draw(index, worked) {
    const begun = performance.now();
    const next = this.parts[index]() === true ? index : index + 1;
    const total = worked + performance.now() - begun;
    if (next < this.parts.length) return void requestAnimationFrame(() => this.#draw(next, total));
    this.#idleUntil = performance.now() + IDLE_SHARE * total;
    this.#isDrawing = false;
    if (this.#isStale) this.request();
  }
}
