/** A long list of which only the rows around where one looks are made; scrolling makes further ones and removes others. */
const MOST = 240; // rows at once
const CHUNK = 100;
const LAST = 60; // rows that are made when more has come at once than is looked at
const NEAR = 200; // pixels from an edge
const AT_END = 30;

/** @template T */
export class RowWindow {
  /** @param {HTMLElement} list scrolls @param {(item: T) => HTMLElement} make @param {() => void} onTop at the first item
   *  @param {(atEnd: boolean) => void} onScroll */
  constructor(list, make, onTop, onScroll) {
    Object.assign(this, { list, make, onTop, onScroll });
    /** @type {T[]} */
    this.items = [];
    this.from = this.to = 0; // what is made of the items
    list.addEventListener("scroll", () => this.scrolled());
    list.addEventListener("toggle", () => onScroll(this.atEnd), { capture: true });
  }

  get atEnd() {
    return this.to === this.items.length && this.list.scrollTop + this.list.clientHeight >= this.list.scrollHeight - AT_END;
  }

  /** Show the end of other items. @param {T[]} items */
  reset(items) {
    this.items = items;
    this.list.replaceChildren();
    this.from = this.to = Math.max(0, items.length - MOST);
    this.end();
  }

  /** Show the end. */
  end() {
    const { list, items } = this;
    if (this.to < items.length) {
      const from = Math.max(this.to, items.length - (items.length > MOST ? LAST : MOST));
      if (from > this.to) list.replaceChildren();
      if (from > this.to) this.from = from;
      list.append(...items.slice(from).map(this.make));
      this.to = items.length;
      this.cutTop();
    }
    list.scrollTop = list.scrollHeight;
  }

  /** `count` items have been put before the others. @param {T[]} items @param {number} count */
  shifted(items, count) {
    this.items = items;
    this.from += count;
    this.to += count;
    if (this.list.scrollTop < NEAR || this.to - this.from < MOST / 2) this.up();
  }

  scrolled() {
    const { list } = this;
    if (list.scrollTop < NEAR) this.up();
    else if (list.scrollTop + list.clientHeight > list.scrollHeight - NEAR) this.down();
    this.onScroll(this.atEnd);
  }

  up() {
    if (this.from === 0) return this.onTop();
    const { list } = this;
    const from = Math.max(0, this.from - CHUNK);
    const height = list.scrollHeight;
    list.prepend(...this.items.slice(from, this.from).map(this.make));
    this.from = from;
    list.scrollTop += list.scrollHeight - height; // what is looked at stays where it is
    while (this.to - this.from > MOST) {
      list.lastChild.remove();
      this.to -= 1;
    }
  }

  down() {
    const to = Math.min(this.items.length, this.to + CHUNK);
    if (to === this.to) return;
    this.list.append(...this.items.slice(this.to, to).map(this.make));
    this.to = to;
    const height = this.list.scrollHeight;
    this.cutTop();
    this.list.scrollTop -= height - this.list.scrollHeight;
  }

  cutTop() {
    while (this.to - this.from > MOST) {
      this.list.firstChild.remove();
      this.from += 1;
    }
  }
}
