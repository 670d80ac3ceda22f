/** Rerun, cancel or delete many executions: first a preview that counts them, then its progress. */
import { effectText } from "./effects.js";
import { buttonById, byId, dialogById, element, fetchJson, field, formById, messageOf, send } from "./page.js";
import { toast } from "./toast.js";
import { gettext, ngettext, number } from "./translations.js";
import { statusText } from "./words.js";

const PATH = "/api/executions/bulk/";
const POLL = 700; // ms
const MOST_NODES = 8; // named

/** @typedef {{id: string, state: string, total: number | null, done: number, left_out: number, percent: number | null,
 *             error: string, problems: {id: string, detail: string}[]}} Operation
 *  @typedef {{count: number | null, by_status: Record<string, number>, operation: Operation | null,
 *             nodes: {name: string, effect: string, executions: number}[]}} Plan
 *  @typedef {{workspace: string | null, filter: Record<string, any>}} Chosen */

/**
 * `begin` names the executions to change, `end` those that were changed; `done` and `part` say how far it is.
 * @typedef {{title: string, about: string, verb: string, begin: (count: number) => string,
 *            end: (count: number) => string, done: (done: string) => string,
 *            part: (done: string, total: string) => string}} Kind
 */

/** @type {Record<string, Kind>} */
const KINDS = {
  rerun: {
    title: gettext("Rerun executions"),
    about: gettext("Each selected execution that has ended runs again as a new execution, oldest first."),
    verb: gettext("Rerun"),
    begin: (count) => ngettext("Rerun {count} execution", "Rerun {count} executions", count),
    end: (count) => ngettext("{count} execution rerun.", "{count} executions rerun.", count),
    done: (done) => gettext("{done} rerun.", { done }),
    part: (done, total) => gettext("{done} of {total} rerun.", { done, total }),
  },
  cancel: {
    title: gettext("Cancel executions"),
    about: gettext("Selected executions that have not ended are cancelled. Those that have ended are left alone."),
    verb: gettext("Cancel"),
    begin: (count) => ngettext("Cancel {count} execution", "Cancel {count} executions", count),
    end: (count) => ngettext("{count} execution cancelled.", "{count} executions cancelled.", count),
    done: (done) => gettext("{done} cancelled.", { done }),
    part: (done, total) => gettext("{done} of {total} cancelled.", { done, total }),
  },
  delete: {
    title: gettext("Delete executions"),
    about: gettext(
      "Selected executions that have ended are deleted with their events, inputs and outputs. You cannot undo this.",
    ),
    verb: gettext("Delete"),
    begin: (count) => ngettext("Delete {count} execution", "Delete {count} executions", count),
    end: (count) => ngettext("{count} execution deleted.", "{count} executions deleted.", count),
    done: (done) => gettext("{done} deleted.", { done }),
    part: (done, total) => gettext("{done} of {total} deleted.", { done, total }),
  },
};

/**
 * Say of which executions a preview has counted how many; their number stands before it.
 * @param {number | null} count
 * @param {Record<string, number>} byStatus
 */
function countedText(count, byStatus) {
  const statuses = Object.entries(byStatus).map(([status, each]) => `${number(each)} ${statusText(status)}`).join(", ");
  if (!statuses) return gettext("executions");
  return ngettext("execution: {statuses}", "executions: {statuses}", count ?? 0, { statuses });
}

/** Name the nodes that would act again. @param {Plan["nodes"]} acting */
function actingText(acting) {
  const nodes = acting.slice(0, MOST_NODES).map(({ name, effect, executions }) =>
    ngettext("{name} ({effect}, in {count} execution)", "{name} ({effect}, in {count} executions)", executions, {
      name,
      effect: effectText(effect),
    })
  ).join("; ");
  return acting.length > MOST_NODES
    ? gettext("These nodes act again: {nodes} and others.", { nodes })
    : gettext("These nodes act again: {nodes}.", { nodes });
}

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
    byId("bulk-close").textContent = gettext("Back");
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
    const { verb, begin } = KINDS[this.#kind];
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
      byId("bulk-total").textContent = count === null ? gettext("Very many") : number(count);
      byId("bulk-statuses").textContent = countedText(count, statuses);
      byId("bulk-acting").hidden = !nodes.length;
      byId("bulk-acting").textContent = actingText(nodes);
      this.#go.disabled = count === 0;
      this.#go.textContent = count ? begin(count) : verb;
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
    byId("bulk-close").textContent = gettext("Close");
    byId("bulk-close").focus();
    this.#follow();
  }

  /** Show the progress until the operation ends or the dialog is closed. The operation continues either way. */
  async #follow() {
    const id = this.#running?.id;
    while (this.#running && this.#running.id === id && this.#dialog.open) {
      this.#showProgress(this.#running);
      if (this.#running.state !== "running") {
        toast(KINDS[this.#kind].end(this.#running.done));
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
    const kind = KINDS[this.#kind];
    const sentences = [total === null ? kind.done(number(done)) : kind.part(number(done), number(total))];
    if (skipped) {
      sentences.push(ngettext("{count} could not be changed.", "{count} could not be changed.", skipped));
    }
    if (state === "cancelled") sentences.push(gettext("Stopped."));
    if (state === "failed") sentences.push(gettext("The operation failed."));
    byId("bulk-state").textContent = sentences.join(" ");
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
