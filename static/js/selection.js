/** The rows that are selected in the list of executions; they stay selected when their rows are rendered again. */
import { byId, findById } from "./page.js";
import { onHtmx } from "./refresh.js";
import { gettext, ngettext } from "./translations.js";

const boxes = () => /** @type {HTMLInputElement[]} */ ([...document.querySelectorAll("input[data-select]")]);

export class Selection {
  /** @type {Map<string, string>} workspaces by the ids of executions */
  #chosen = new Map();
  #all = false;

  constructor() {
    document.addEventListener("change", ({ target }) => {
      if (!(target instanceof HTMLInputElement)) return;
      if (target.id === "select-page") this.#set(boxes(), target.checked);
      else if (target.dataset.select) this.#set([target], target.checked);
    });
    document.addEventListener("click", ({ target }) => {
      const id = target instanceof Element ? target.id : "";
      if (id === "select-none") this.clear();
      if (id === "select-all") {
        this.#all = true;
        this.#show();
      }
    });
    onHtmx("oobAfterSwap", () => this.#show());
    onHtmx("afterSwap", ({ target }) => {
      if (target?.id === "list") this.clear(); // another list: what was selected may not be in it
    });
  }

  /** Whether everything that matches the filters is selected, also beyond this page. */
  get all() {
    return this.#all;
  }

  get ids() {
    return [...this.#chosen.keys()];
  }

  /** The one workspace of the selected rows; null if there are several. */
  get workspace() {
    const workspaces = new Set(this.#chosen.values());
    return workspaces.size === 1 ? [...workspaces][0] : null;
  }

  clear() {
    this.#chosen.clear();
    this.#all = false;
    this.#show();
  }

  /** @param {HTMLElement} row */
  toggle(row) {
    const box = row.querySelector("input[data-select]");
    if (box instanceof HTMLInputElement) this.#set([box], !box.checked);
  }

  /** @param {HTMLInputElement[]} changed @param {boolean} checked */
  #set(changed, checked) {
    this.#all = false;
    for (const { dataset } of changed) {
      if (checked) this.#chosen.set(dataset.select ?? "", dataset.workspace ?? "");
      else this.#chosen.delete(dataset.select ?? "");
    }
    this.#show();
  }

  #show() {
    const all = boxes();
    for (const box of all) box.checked = this.#all || this.#chosen.has(box.dataset.select ?? "");
    const page = findById("select-page", HTMLInputElement);
    const checked = all.filter((box) => box.checked).length;
    if (page) {
      page.checked = checked > 0 && checked === all.length;
      page.indeterminate = checked > 0 && checked < all.length;
    }
    const bar = findById("selected");
    if (!bar) return;
    bar.hidden = !this.#all && !this.#chosen.size;
    byId("selected-count").textContent = this.#all
      ? gettext("All that match")
      : ngettext("{count} row selected", "{count} rows selected", this.#chosen.size);
    byId("select-all").hidden = this.#all;
  }
}
