/** The dialog that reruns an ended execution: from the start or a node, with the same or the latest version. */
import { parse } from "./editor.js";
import { write } from "./exact_json.js";
import { byId, data, dialogById, fetchJson, field, formById, inputById, messageOf, query, send } from "./page.js";
import { RerunEffects } from "./rerun_effects.js";
import { gettext } from "./translations.js";

const MAX_ITEMS = 1000; // of an input, as the API returns at once

/** Return the items in a text. Throws an Error that says what is wrong. @param {string} text */
export function items(text) {
  const list = parse(text.trim() || "[]");
  if (!Array.isArray(list)) throw new Error(gettext("The input must be a list of items: [{ … }, { … }]."));
  const wrong = list.findIndex((item) => item === null || typeof item !== "object" || Array.isArray(item));
  if (wrong >= 0) throw new Error(gettext("Item {number} is not an object.", { number: wrong + 1 }));
  return list;
}

/** @param {string | null} id */
const nameOf = (id) => data.graph.nodes.find((node) => node.id === id)?.name ?? id ?? "";

export class RerunDialog {
  #dialog = dialogById("rerun-dialog");
  #form = formById("rerun-form");
  #node = byId("rerun-node", HTMLSelectElement);
  #edit = inputById("rerun-edit");
  #input = byId("rerun-input", HTMLTextAreaElement);
  #effects = new RerunEffects();
  #touched = false; // whether the user has typed an input

  /**
   * @param {() => {failed: string | null, chosen: string | null, ran: (node: string) => boolean}} current the node
   *  that failed, the chosen one, and which nodes have run
   */
  constructor(current) {
    this.current = current;
    this.#node.append(...data.graph.nodes.map((node) => new Option(node.name, node.id)));
    for (const button of this.#dialog.querySelectorAll("[data-close]")) {
      button.addEventListener("click", () => this.#dialog.close());
    }
    this.#node.addEventListener("input", () => {
      this.#from.value = "node";
      this.#changed();
    });
    for (const radio of this.#form.querySelectorAll("[name=from], [name=version]")) {
      radio.addEventListener("input", () => this.#changed());
    }
    this.#edit.addEventListener("input", () => this.#changed());
    this.#input.addEventListener("input", () => {
      this.#touched = true;
      this.#check();
    });
    this.#form.addEventListener("submit", (event) => this.#submit(event));
  }

  open() {
    const { failed, chosen } = this.current();
    byId("rerun-failed").hidden = !failed;
    byId("rerun-failed-node").textContent = nameOf(failed);
    this.#from.value = failed ? "failed" : "start";
    if (chosen) this.#node.value = chosen;
    this.#touched = this.#edit.checked = false;
    this.#effects.reset();
    this.#showError("");
    this.#changed();
    this.#dialog.showModal();
  }

  get #from() {
    return field(this.#form, "from");
  }

  /** The node whose input can be edited. */
  get #editedNode() {
    if (this.#from.value === "start") return data.trigger_node;
    return this.#from.value === "failed" ? this.current().failed : this.#node.value;
  }

  /** Where the rerun starts, as the API takes it. */
  get #start() {
    const from = this.#from.value === "node" ? `node:${this.#node.value}` : this.#from.value;
    return { from, version: field(this.#form, "version").value };
  }

  async #changed() {
    byId("rerun-input-part").hidden = !this.#edit.checked;
    void this.#effects.show({ ...this.#start, input: this.#edit.checked ? [] : undefined });
    const node = this.#editedNode;
    if (!this.#edit.checked || !node) return this.#showError("");
    byId("rerun-input-label").textContent = this.#from.value === "start"
      ? gettext("Input of the execution: a list of items")
      : gettext("Input of {node}: a list of items", { node: nameOf(node) });
    if (this.#touched) return void this.#check();
    const path = `/api/executions/${data.execution}/nodes/${encodeURIComponent(node)}/output/?limit=${MAX_ITEMS}`;
    const { inputs, totals } = this.current().ran(node)
      ? await fetchJson(path)
      : { inputs: {}, totals: { inputs: {} } };
    if (node !== this.#editedNode || this.#touched) return; // the user chose another node or typed meanwhile
    this.#input.value = write(Object.values(inputs).flat(), 2);
    const total = Object.keys(inputs).map((name) => totals.inputs[name]).find((count) => count > MAX_ITEMS);
    byId("rerun-input-note").textContent = total
      ? gettext("Showing the first {shown} of {total} items. The rerun uses only the items shown here.", {
        shown: MAX_ITEMS,
        total,
      })
      : "";
    this.#check();
  }

  /** Show what is wrong with the input. Returns whether it can be sent. */
  #check() {
    if (!this.#edit.checked) return true;
    try {
      items(this.#input.value);
      this.#showError("");
      return true;
    } catch (error) {
      this.#showError(messageOf(error));
      return false;
    }
  }

  /** @param {string} text */
  #showError(text) {
    byId("rerun-error").textContent = text;
    byId("rerun-error").hidden = !text;
    this.#input.toggleAttribute("aria-invalid", Boolean(text));
  }

  /** @param {SubmitEvent} event */
  async #submit(event) {
    event.preventDefault();
    if (!this.#check()) return;
    const input = this.#edit.checked ? items(this.#input.value) : undefined;
    const button = query(this.#form, ".primary", HTMLButtonElement);
    button.disabled = true;
    try {
      const body = { ...this.#start, mode: field(this.#form, "mode").value, input, effects: this.#effects.choices };
      const execution = await send("POST", `/api/executions/${data.execution}/rerun/`, body);
      location.assign(`/executions/${execution.id}/`);
    } catch (error) {
      button.disabled = false;
      this.#showError(messageOf(error));
    }
  }
}
