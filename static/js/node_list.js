/** The nodes of the graph as a list, in the order of the layout, with their states. */
import { element, icon } from "./page.js";
import { number } from "./translations.js";

/** @import { Graph } from "./types.js" */
/** @typedef {{row: HTMLElement, text: HTMLElement, count: HTMLElement, key: string, show: () => void}} Row */

export class NodeList {
  /** @type {Map<string, Row>} */
  #rows = new Map();
  #chosen = "";
  #shown = false;

  /** @param {HTMLElement} list @param {(node: string, extend: boolean) => void} onChoose extend: with Shift */
  constructor(list, onChoose) {
    this.list = list;
    this.onChoose = onChoose;
  }

  /** Show the nodes of a graph. @param {Graph} graph */
  arrange(graph) {
    this.#rows.clear();
    const { nodes: boxes } = graph.layout;
    const nodes = [...graph.nodes].sort((a, b) => boxes[a.id].x - boxes[b.id].x || boxes[a.id].y - boxes[b.id].y);
    this.list.replaceChildren(...nodes.map((node) => {
      const [text, count] = [element("small", {}, node.label), element("small", { class: "run-count" })];
      const row = element("button", { type: "button" }, icon(node.icon, 18), element("b", {}, node.name), text, count);
      row.addEventListener("click", (event) => this.onChoose(node.id, event.shiftKey));
      this.#rows.set(node.id, { row, text, count, key: "", show: () => {} });
      return element("li", {}, row);
    }));
  }

  /** Draw only while the list is in sight. @param {boolean} shown */
  show(shown) {
    this.#shown = shown;
    if (shown) { for (const { show } of this.#rows.values()) show(); }
  }

  /** @param {string} id @param {string} status @param {string} text @param {number} runs */
  setNode(id, status, text, runs) {
    const row = this.#rows.get(id);
    const key = [status, text, runs].join();
    if (!row || row.key === key) return;
    row.key = key;
    row.show = () => {
      row.row.dataset.status = status;
      row.text.textContent = text;
      row.count.textContent = runs > 1 ? `×${number(runs)}` : "";
    };
    if (this.#shown) row.show();
  }

  /** Show the list as before the first event. */
  reset() {
    for (const id of this.#rows.keys()) this.setNode(id, "", "", 0);
  }

  /** @param {string} id */
  choose(id) {
    this.#rows.get(this.#chosen)?.row.removeAttribute("aria-current");
    const row = this.#rows.get(id)?.row;
    row?.setAttribute("aria-current", "true");
    this.#chosen = id;
    const item = row?.parentElement;
    if (!item || !this.#shown) return;
    const { list } = this;
    const [above, below] = [item.offsetTop, item.offsetTop + item.offsetHeight - list.clientHeight];
    list.scrollTop = Math.max(below, Math.min(above, list.scrollTop)); // does not move the page
  }

  /** Show only the nodes that match; null: all. @param {Set<string> | null} ids */
  match(ids) {
    for (const [id, { row }] of this.#rows) row.parentElement?.toggleAttribute("hidden", ids !== null && !ids.has(id));
  }
}
