/** Finds nodes by name, type or id. Enter goes to the next match, Escape ends the search. */
import { gettext } from "./translations.js";

/** @import { Graph } from "./types.js" */
/** @typedef {{match: (ids: Set<string> | null) => void}} Shown what shows which nodes match */

export class NodeSearch {
  /** @type {string[]} */
  #found = [];
  #at = -1;

  /**
   * @param {HTMLInputElement} input
   * @param {HTMLElement} count says how many nodes match
   * @param {Graph} graph
   * @param {(node: string) => void} onChoose
   * @param {Shown[]} views
   */
  constructor(input, count, graph, onChoose, views) {
    this.input = input;
    this.count = count;
    this.views = views;
    this.onChoose = onChoose;
    this.texts = graph.nodes.map(({ id, name, label, type }) => ({
      id,
      text: [name, label, type, id].join("\n").toLowerCase(),
    }));
    input.addEventListener("input", () => this.#search());
    input.addEventListener("keydown", (event) => this.#key(event));
  }

  #search() {
    const text = this.input.value.trim().toLowerCase();
    this.#found = text ? this.texts.filter((each) => each.text.includes(text)).map(({ id }) => id) : [];
    this.#at = -1;
    for (const view of this.views) view.match(text ? new Set(this.#found) : null);
    this.#say();
  }

  #say() {
    const { length } = this.#found;
    const place = this.#at < 0
      ? gettext("{count} found", { count: length })
      : gettext("{number} of {count}", { number: this.#at + 1, count: length });
    this.count.textContent = this.input.value.trim() ? place : "";
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.key === "Escape") {
      this.input.value = "";
      this.#search();
    } else if (event.key === "Enter" && this.#found.length) {
      const { length } = this.#found;
      this.#at = (this.#at + (event.shiftKey ? -1 : 1) + length) % length;
      this.onChoose(this.#found[this.#at]);
      this.#say();
    } else return;
    event.preventDefault();
  }
}
