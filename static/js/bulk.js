/** Rerun, cancel or delete many executions: first a preview that counts them, then its progress. */
import {
  buttonById,
  byId,
  counted,
  dialogById,
  element,
  fetchJson,
  field,
  formById,
  messageOf,
  number,
  send,
} from "./page.js";
import { toast } from "./toast.js";

const PATH = "/api/executions/bulk/";
const POLL = 700; // ms

/** @typedef {{id: string, state: string, total: number | null, done: number, left_out: number, percent: number | null,
 *             error: string, problems: {id: string, detail: string}[]}} Operation
 *  @typedef {{count: number | null, by_status: Record<string, number>, operation: Operation | null,
 *             nodes: {name: string, effect: string, executions: number}[]}} Plan
 *  @typedef {{workspace: string | null, filter: Record<string, any>}} Chosen */

/** @type {Record<string, {title: string, about: string, verb: string, done: string}>} */
const KINDS = {
  rerun: {
    title: "Rerun executions",
    about: "Each selected execution that has ended runs again as a new execution, oldest first.",
    verb: "Rerun",
    done: "rerun",
  },
  cancel: {
    title: "Cancel executions",
    about: "Selected executions that have not ended are cancelled. Those that have ended are left alone.",
    verb: "Cancel",
    done: "cancelled",
  },
  delete: {
    title: "Delete executions",
    about: "Selected executions that have ended are deleted with their events, inputs and outputs. " +
      "You cannot undo this.",
    verb: "Delete",
    done: "deleted",
  },
};

export class BulkDialog {
  #dialog = dialogById("bulk");
  #form = formById("bulk-form");
  #go = buttonById("bulk-go");
  #stop = buttonById("bulk-stop");
  #kind = "rerun";
  /** @type {Chosen} */
  #chosen = { workspace: null, filter: {} };
  /** @type {Operation | null} */
  #running = null;
  #requests = 0; // responses to earlier previews are dropped

  /** @param {() => void} onEnd called when the dialog is closed after an operation was started */
  constructor(onEnd) {
    this.#form.addEventListener("submit", (event) => this.#begin(event));
    this.#form.addEventListener("change", () => this.#preview());
    this.#stop.addEventListener("click", () => this.#cancel());
    for (const button of this.#dialog.querySelectorAll("[data-close]")) {
      button.addEventListener("click", () => this.#dialog.close());
    }
    this.#dialog.addEventListener("close", () => {
      this.#requests += 1;
      if (this.#running) onEnd();
      this.#running = null;
    });
  }

  /** @param {string} kind @param {Chosen} chosen */
  open(kind, chosen) {
    this.#kind = kind;
    this.#chosen = chosen;
    this.#running = null;
    const { title, about } = KINDS[kind];
    byId("bulk-title").textContent = title;
    byId("bulk-about").textContent = about;
    byId("bulk-rerun").hidden = kind !== "rerun";
    byId("bulk-rerun").toggleAttribute("disabled", false);
    byId("bulk-progress").hidden = true;
    byId("bulk-close").textContent = "Back";
    this.#stop.hidden = true;
    this.#go.hidden = false;
    this.#go.className = kind === "delete" ? "danger" : "primary";
    this.#dialog.showModal();
    this.#preview();
  }

  /** @param {boolean} dryRun */
  #body(dryRun) {
    const rerun = { from: field(this.#form, "from").value, version: field(this.#form, "version").value };
    return {
      kind: this.#kind,
      filter: this.#chosen.filter,
      dry_run: dryRun,
      ...(this.#chosen.workspace && { workspace: this.#chosen.workspace }),
      ...(this.#kind === "rerun" && { rerun }),
    };
  }

  /** @param {string} text */
  #showError(text) {
    byId("bulk-problem").textContent = text;
    byId("bulk-problem").hidden = !text;
  }

  async #preview() {
    this.#requests += 1;
    const request = this.#requests;
    const { verb } = KINDS[this.#kind];
    this.#go.disabled = true;
    this.#go.textContent = verb;
    byId("bulk-total").textContent = "…";
    byId("bulk-statuses").textContent = "";
    byId("bulk-acting").hidden = true;
    this.#showError("");
    try {
      /** @type {Plan} */
      const { count, by_status: statuses, nodes } = await send("POST", PATH, this.#body(true));
      if (request !== this.#requests) return;
      byId("bulk-total").textContent = count === null ? "Very many" : number(count);
      const parts = Object.entries(statuses).map(([status, each]) => `${number(each)} ${status.replace("_", " ")}`);
      byId("bulk-statuses").textContent = `${count === 1 ? "execution" : "executions"}${
        parts.length ? `: ${parts.join(", ")}` : ""
      }`;
      const acting = nodes.map(({ name, effect, executions }) =>
        `${name} (${effect}, in ${counted(executions, "execution")})`
      );
      byId("bulk-acting").hidden = !acting.length;
      byId("bulk-acting").textContent = `These nodes act again: ${acting.slice(0, 8).join("; ")}${
        acting.length > 8 ? " and others" : ""
      }.`;
      this.#go.disabled = count === 0;
      this.#go.textContent = count ? `${verb} ${counted(count, "execution")}` : verb;
    } catch (error) {
      if (request !== this.#requests) return;
      byId("bulk-total").textContent = "–";
      this.#showError(messageOf(error));
    }
  }

  /** @param {Event} event */
  async #begin(event) {
    event.preventDefault();
    if (this.#go.disabled || this.#running) return;
    this.#go.disabled = true;
    try {
      this.#running = (await send("POST", PATH, this.#body(false))).operation;
    } catch (error) {
      this.#showError(messageOf(error));
      this.#go.disabled = false;
      return;
    }
    byId("bulk-rerun").toggleAttribute("disabled", true);
    this.#go.hidden = true;
    byId("bulk-progress").hidden = false;
    byId("bulk-close").textContent = "Close";
    byId("bulk-close").focus();
    this.#follow();
  }

  /** Show the progress until the operation ends or the dialog is closed. The operation continues either way. */
  async #follow() {
    const id = this.#running?.id;
    while (this.#running && this.#running.id === id && this.#dialog.open) {
      this.#showProgress(this.#running);
      if (this.#running.state !== "running") {
        toast(`${counted(this.#running.done, "execution")} ${KINDS[this.#kind].done}.`);
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, POLL));
      const operation = await fetchJson(`${PATH}${id}/`).catch(() => null); // offline: tried again
      if (operation && this.#running?.id === id) this.#running = operation;
    }
  }

  /** @param {Operation} operation */
  #showProgress({ state, total, done, left_out: skipped, percent, error, problems }) {
    const bar = /** @type {HTMLProgressElement} */ (byId("bulk-bar"));
    if (percent === null && state === "running") bar.removeAttribute("value");
    else bar.value = percent ?? 100;
    const end = { cancelled: " Stopped.", failed: " The operation failed." }[state] ?? "";
    const of = total === null ? "" : ` of ${number(total)}`;
    const rest = skipped ? ` ${number(skipped)} could not be changed.` : "";
    byId("bulk-state").textContent = `${number(done)}${of} ${KINDS[this.#kind].done}.${rest}${end}`;
    byId("bulk-problems").replaceChildren(
      ...problems.map(({ id, detail }) => element("li", {}, element("code", {}, id.slice(-12)), ` ${detail}`)),
    );
    this.#stop.hidden = state !== "running";
    this.#showError(error);
  }

  async #cancel() {
    try {
      this.#running = await send("POST", `${PATH}${this.#running?.id}/cancel/`);
      if (this.#running) this.#showProgress(this.#running);
    } catch (error) {
      this.#showError(messageOf(error));
    }
  }
}
