/** A long list that has elements only for the rows near the visible part; scrolling adds some and removes others. */
const MAX_ROWS = 240;
const CHUNK = 100; // rows that scrolling adds
const LAST = 28; // rows that are drawn when more arrive at once than the list holds
const NEAR = 200; // pixels from an edge
const AT_END = 30; // pixels

/** @template T */
export class RowWindow {
  /** @type {T[]} */
  items = [];
  #from = 0; // the items that have elements
  #to = 0;
  #ends = 0; // frame in which it is scrolled to its end

  /**
   * @param {HTMLElement} list the scrolling element
   * @param {(item: T) => HTMLElement} make
   * @param {() => void} onTop called at the first item
   * @param {(atEnd: boolean) => void} onScroll
   */
  constructor(list, make, onTop, onScroll) {
    this.list = list;
    this.make = make;
    this.onTop = onTop;
    this.onScroll = onScroll;
    list.addEventListener("scroll", () => this.#scrolled());
    list.addEventListener("toggle", () => onScroll(this.atEnd), { capture: true });
  }

  get atEnd() {
    const { list } = this;
    return this.#to === this.items.length && list.scrollTop + list.clientHeight >= list.scrollHeight - AT_END;
  }

  /** Replace the items and show their end. @param {T[]} items */
  reset(items) {
    this.items = items;
    this.list.replaceChildren();
    this.#from = this.#to = Math.max(0, items.length - MAX_ROWS);
    this.showEnd();
  }

  showEnd() {
    const { list, items } = this;
    if (this.#to < items.length) {
      const from = Math.max(this.#to, items.length - (items.length > MAX_ROWS ? LAST : MAX_ROWS));
      if (from > this.#to) {
        list.replaceChildren();
        this.#from = from;
      }
      list.append(...items.slice(from).map(this.make));
      this.#to = items.length;
      this.#cutTop();
    }
    // In the next frame the browser has placed the new rows: now it would have to do so in between.
    this.#ends ||= requestAnimationFrame(() => {
      this.#ends = 0;
      list.scrollTop = list.scrollHeight;
    });
  }

  /** Take over items of which `count` were added at the start. @param {T[]} items @param {number} count */
  prepended(items, count) {
    this.items = items;
    this.#from += count;
    this.#to += count;
    if (this.list.scrollTop < NEAR || this.#to - this.#from < MAX_ROWS / 2) this.#up();
  }

  #scrolled() {
    const { list } = this;
    if (this.#ends) return; // its rows have changed, and it is not where it is to be
    if (list.scrollTop < NEAR) this.#up();
    else if (list.scrollTop + list.clientHeight > list.scrollHeight - NEAR) this.#down();
    this.onScroll(this.atEnd);
  }

  #up() {
    if (this.#from === 0) return this.onTop();
    const { list } = this;
    const from = Math.max(0, this.#from - CHUNK);
    const height = list.scrollHeight;
    list.prepend(...this.items.slice(from, this.#from).map(this.make));
    this.#from = from;
    list.scrollTop += list.scrollHeight - height; // the visible rows stay in place
    while (this.#to - this.#from > MAX_ROWS) {
      list.lastChild?.remove();
      this.#to -= 1;
    }
  }

  #down() {
    const to = Math.min(this.items.length, this.#to + CHUNK);
    if (to === this.#to) return;
    this.list.append(...this.items.slice(this.#to, to).map(this.make));
    this.#to = to;
    const height = this.list.scrollHeight;
    this.#cutTop();
    this.list.scrollTop -= height - this.list.scrollHeight;
  }

  #cutTop() {
    while (this.#to - this.#from > MAX_ROWS) {
      this.list.firstChild?.remove();
      this.#from += 1;
    }
  }
}
