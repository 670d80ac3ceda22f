/** Goes to a run of the chosen node: by its number, or to the next one that failed. */
import { element, fetchJson } from "./page.js";
import { toast } from "./toast.js";
import { gettext, ngettext, number, textWith } from "./translations.js";

export class RunPicker {
  #node = "";
  #runIndex = 0;
  #last = 0;

  /** @param {HTMLFormElement} form @param {string} execution @param {(node: string, runIndex: number) => void} onChoose */
  constructor(form, execution, onChoose) {
    this.form = form;
    this.execution = execution;
    this.onChoose = onChoose;
    const label = gettext("Run number");
    this.input = element("input", { type: "number", min: "1", "aria-label": label, inputmode: "numeric" });
    this.total = element("small");
    this.failed = element("button", { type: "button", class: "small quiet" }, gettext("Next failed"));
    const labelled = textWith(gettext("Run {number}"), { number: this.input });
    const parts = labelled.map((part) => (typeof part === "string" ? element("small", {}, part.trim()) : part));
    form.append(...parts, this.total, this.failed);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#go();
    });
    this.input.addEventListener("change", () => this.#go());
    this.failed.addEventListener("click", () => this.#nextFailed());
  }

  /** @param {string} node @param {number} runIndex @param {number} last the latest run of the node */
  show(node, runIndex, last) {
    const changed = node !== this.#node || runIndex !== this.#runIndex;
    if (!changed && last === this.#last) return;
    [this.#node, this.#runIndex, this.#last] = [node, runIndex, last];
    this.form.hidden = last === 0;
    this.input.max = String(last + 1);
    if (changed) this.input.value = String(runIndex + 1);
    this.total.textContent = gettext("of {count}", { count: number(last + 1) });
  }

  #go() {
    const wanted = Math.round(Number(this.input.value));
    if (!(wanted >= 1 && wanted <= this.#last + 1)) {
      const { value } = this.input;
      const none = value
        ? gettext("There is no run {run}.", { run: value })
        : gettext("There is no run without a number.");
      toast(`${none} ${ngettext("The node has {count} run.", "The node has {count} runs.", this.#last + 1)}`, "failed");
      this.input.value = String(this.#runIndex + 1);
    } else if (wanted - 1 !== this.#runIndex) this.onChoose(this.#node, wanted - 1);
  }

  /** Go to the next failed run; after the last one, to the first. */
  async #nextFailed() {
    const node = encodeURIComponent(this.#node);
    const path = `/api/executions/${this.execution}/nodes/?node=${node}&status=failed&limit=1&from_run=`;
    this.failed.disabled = true;
    try {
      const [next] = await fetchJson(`${path}${this.#runIndex + 1}`);
      const [first] = next ? [next] : await fetchJson(`${path}0`);
      if (first) this.onChoose(this.#node, first.run_index);
      else toast(gettext("No run of this node has failed."));
    } catch {
      toast(gettext("The failed runs could not be loaded. Try again."), "failed");
    } finally {
      this.failed.disabled = false;
    }
  }
}
