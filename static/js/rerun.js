/** The dialog that reruns an ended execution: whole or from a node on, same or latest version, with its input edited. */
import { parse } from "./editor.js";
import { by, data, element, send } from "./page.js";

const MOST_SHOWN = 1000; // items of an input, as the API gives at once

/** Return the items that a text holds. Throws an Error that says what is wrong. @param {string} text */
export function items(text) {
  const found = parse(text.trim() || "[]");
  if (!Array.isArray(found)) throw new Error("A list of items is needed: [{ … }, { … }].");
  const wrong = found.findIndex((item) => item === null || typeof item !== "object" || Array.isArray(item));
  if (wrong >= 0) throw new Error(`Item ${wrong + 1} is not an object.`);
  return found;
}

export class RerunDialog {
  /** @param {() => {failed: string | null, chosen: string | null, ran: (node: string) => boolean}} now the node that
   *  failed, the one that is chosen, and which nodes have run */
  constructor(now) {
    this.now = now;
    this.dialog = by("rerun-dialog");
    this.form = by("rerun-form");
    this.touched = false; // whether somebody has typed an input of their own
    by("rerun-node").append(...data.graph.nodes.map((node) => element("option", { value: node.id }, node.name)));
    by("rerun").addEventListener("click", () => this.open());
    for (const button of this.dialog.querySelectorAll("[data-close]")) button.addEventListener("click", () => this.dialog.close());
    by("rerun-node").addEventListener("input", () => {
      this.form.elements.from.value = "node";
      this.changed();
    });
    for (const radio of this.form.elements.from) radio.addEventListener("input", () => this.changed());
    by("rerun-edit").addEventListener("input", () => this.changed());
    by("rerun-input").addEventListener("input", () => {
      this.touched = true;
      this.check();
    });
    this.form.addEventListener("submit", (event) => this.send(event));
  }

  open() {
    const { failed, chosen } = this.now();
    by("rerun-failed").hidden = !failed;
    by("rerun-failed-node").textContent = data.graph.nodes.find((node) => node.id === failed)?.name ?? "";
    this.form.elements.from.value = failed ? "failed" : "start";
    if (chosen) by("rerun-node").value = chosen;
    this.touched = by("rerun-edit").checked = false;
    this.say("");
    this.changed();
    this.dialog.showModal();
  }

  /** Return the node whose input can be edited. */
  get node() {
    const from = this.form.elements.from.value;
    return from === "start" ? data.trigger_node : from === "failed" ? this.now().failed : by("rerun-node").value;
  }

  async changed() {
    const edits = by("rerun-edit").checked;
    by("rerun-input-part").hidden = !edits;
    if (!edits) return this.say("");
    const { node } = this;
    const name = data.graph.nodes.find((each) => each.id === node)?.name ?? node;
    by("rerun-input-label").textContent = this.form.elements.from.value === "start" ? "Input of the execution: a list of items" : `What ${name} takes in: a list of items`;
    if (this.touched) return this.check();
    const said = this.now().ran(node)
      ? await send("GET", `/api/executions/${data.execution}/nodes/${encodeURIComponent(node)}/output/?limit=${MOST_SHOWN}`)
      : { inputs: {}, totals: { inputs: {} } };
    if (node !== this.node || this.touched) return; // something else was chosen, or typed, in the meantime
    by("rerun-input").value = JSON.stringify(Object.values(said.inputs).flat(), null, 2);
    const cut = Object.entries(said.inputs).find(([input, list]) => said.totals.inputs[input] > list.length);
    by("rerun-input-note").textContent = cut ? `Only the first ${MOST_SHOWN} of ${said.totals.inputs[cut[0]]} items; the rerun takes in what stands here.` : "";
    this.check();
  }

  /** Say what is wrong with the input. Returns whether it can be sent. */
  check() {
    if (!by("rerun-edit").checked) return true;
    try {
      items(by("rerun-input").value);
      this.say("");
      return true;
    } catch (error) {
      this.say(error.message);
      return false;
    }
  }

  say(text) {
    by("rerun-error").textContent = text;
    by("rerun-error").hidden = !text;
    by("rerun-input").toggleAttribute("aria-invalid", Boolean(text));
  }

  async send(event) {
    event.preventDefault();
    if (!this.check()) return;
    const { from, version } = this.form.elements;
    const body = { from: from.value === "node" ? `node:${by("rerun-node").value}` : from.value, version: version.value };
    if (by("rerun-edit").checked) body.input = items(by("rerun-input").value);
    const button = this.form.querySelector(".primary");
    button.disabled = true;
    try {
      const made = await send("POST", `/api/executions/${data.execution}/rerun/`, body);
      location.assign(`/executions/${made.id}/`);
    } catch (error) {
      button.disabled = false;
      this.say(error.message);
    }
  }
}
