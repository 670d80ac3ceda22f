/** The dialog for an operation on many deliveries: first a preview of the recipients, then its progress. */
import {
  buttonById,
  byId,
  dialogById,
  element,
  errorsOf,
  fetchJson,
  field,
  findById,
  findField,
  messageOf,
  number,
  query,
  send,
} from "./page.js";
import { setMoment } from "./time_inputs.js";
import { toast } from "./toast.js";
import { gettext, ngettext } from "./translations.js";

const OPERATIONS = "/api/webhooks/operations/";
const TYPING = 300; // ms
const POLL = 700; // ms
const MAX_RECIPIENTS = 50;
const DAY = 86_400_000;

/**
 * @typedef {object} Wording
 * @property {string} verb of the button
 * @property {(count: string) => string} verbFor of the button, with the number of deliveries
 * @property {(done: string, total: string) => string} progress
 * @property {(count: number) => string} ended
 *
 * @typedef {object} Plan
 * @property {string} title
 * @property {string} about
 * @property {Wording} words
 * @property {boolean} [danger]
 * @property {boolean} spans whether the user chooses a time range
 * @property {boolean} types whether the user chooses event types
 * @property {boolean} [chooses] whether the user chooses a workspace
 * @property {string} path
 * @property {Record<string, any>} body
 *
 * @typedef {{count: number, recipients: {name: string, url?: string, count: number}[]}} Preview
 * @typedef {{id: string, state: string, total: number, done: number, left_out: number, error?: string}} Operation
 */

/** @type {Wording} */
export const RESEND = {
  verb: gettext("Resend"),
  verbFor: (count) => gettext("Resend {count}", { count }),
  progress: (done, total) => gettext("{done} of {total} resent.", { done, total }),
  ended: (count) => ngettext("{count} delivery resent.", "{count} deliveries resent.", count),
};
/** @type {Wording} */
export const CANCEL = {
  verb: gettext("Cancel"),
  verbFor: (count) => gettext("Cancel {count}", { count }),
  progress: (done, total) => gettext("{done} of {total} cancelled.", { done, total }),
  ended: (count) => ngettext("{count} delivery cancelled.", "{count} deliveries cancelled.", count),
};
/** @type {Wording} */
const SEND = {
  verb: gettext("Send"),
  verbFor: (count) => gettext("Send {count}", { count }),
  progress: (done, total) => gettext("{done} of {total} sent.", { done, total }),
  ended: (count) => ngettext("{count} delivery sent.", "{count} deliveries sent.", count),
};
/** @type {Record<string, string>} by state */
const ENDS = { cancelled: gettext("Stopped."), failed: gettext("The operation failed.") };

class OperationDialog {
  /** @type {Operation | null} */
  #running = null;
  /** @type {Plan} */
  #plan;
  #requests = 0; // responses to earlier previews are dropped
  #typing = 0;
  #dialog = dialogById("operation");
  #form = query(this.#dialog, "form", HTMLFormElement);
  #start = buttonById("operation-go");
  #close = buttonById("operation-close");
  #stop = buttonById("operation-stop");

  /** @param {Plan} plan */
  constructor(plan) {
    this.#plan = plan;
    this.#form.addEventListener("submit", (event) => this.#begin(event));
    this.#form.addEventListener("input", () => {
      clearTimeout(this.#typing);
      this.#typing = setTimeout(() => this.#preview(), TYPING);
    });
    this.#stop.addEventListener("click", () => this.#cancel());
    this.#dialog.addEventListener("close", () => {
      this.#requests += 1;
      if (this.#running) location.reload();
    });
  }

  /** @param {Plan} plan */
  open(plan) {
    this.#plan = plan;
    this.#running = null;
    this.#form.reset();
    byId("operation-title").textContent = plan.title;
    byId("operation-about").textContent = plan.about;
    byId("operation-span").hidden = !plan.spans;
    byId("operation-types").hidden = !plan.types;
    findById("operation-workspace")?.toggleAttribute("hidden", !plan.chooses);
    byId("operation-progress").hidden = true;
    byId("operation-count").hidden = false;
    this.#stop.hidden = true;
    this.#close.textContent = gettext("Cancel");
    this.#start.hidden = false;
    this.#start.className = plan.danger ? "danger" : "primary";
    setMoment(this.#form, "since", new Date(Date.now() - DAY).toISOString());
    setMoment(this.#form, "until", "");
    this.#disableFields(false);
    this.#dialog.showModal();
    this.#preview();
  }

  /** @param {boolean} dryRun */
  #body(dryRun) {
    const { body, spans, chooses, types } = this.#plan;
    /** @type {Record<string, any>} */
    const request = { ...body, dry_run: dryRun };
    const until = field(this.#form, "until").value;
    if (spans) request.since = field(this.#form, "since").value;
    if (spans && until) request.until = until;
    const workspace = findField(this.#form, "workspace");
    if (chooses && workspace) request.workspace = workspace.value;
    const names = field(this.#form, "event_types").value.split(/[\s,]+/).filter(Boolean);
    if (types && names.length) request.event_types = names;
    return request;
  }

  /** @param {string} text */
  #showError(text) {
    byId("operation-problem").textContent = text;
    byId("operation-problem").hidden = !text;
  }

  /** @param {boolean} disabled */
  #disableFields(disabled) {
    for (const control of this.#form.querySelectorAll("input, select")) control.toggleAttribute("disabled", disabled);
  }

  /** Show which deliveries the operation would touch. */
  async #preview() {
    this.#requests += 1;
    const request = this.#requests;
    this.#start.disabled = true;
    this.#start.textContent = this.#plan.words.verb;
    byId("operation-count").setAttribute("aria-busy", "true");
    this.#showError("");
    try {
      const preview = await send("POST", this.#plan.path, this.#body(true));
      if (request === this.#requests) this.#showPreview(preview);
    } catch (error) {
      if (request !== this.#requests) return;
      byId("operation-total").textContent = "–";
      byId("operation-recipients").textContent = gettext("Couldn't count the deliveries.");
      query(this.#dialog, ".recipients").hidden = true;
      this.#showError(errorsOf(error).map((each) => `${each.field}: ${each.message}`).join(" ") || messageOf(error));
    }
    byId("operation-count").setAttribute("aria-busy", "false");
  }

  /** @param {Preview} preview */
  #showPreview({ count, recipients }) {
    byId("operation-total").textContent = number(count);
    const endpoints = number(recipients.length);
    byId("operation-recipients").textContent = recipients.length > 1
      ? ngettext("delivery to {endpoints} endpoints", "deliveries to {endpoints} endpoints", count, { endpoints })
      : ngettext("delivery", "deliveries", count);
    const rows = recipients.slice(0, MAX_RECIPIENTS).map(({ name, url = "", count }) =>
      element(
        "tr",
        {},
        element("td", {}, name),
        element("td", { class: "wide" }, element("code", { class: "breaks" }, url)),
        element("td", { class: "right number" }, number(count)),
      )
    );
    const more = recipients.length - MAX_RECIPIENTS;
    if (more > 0) {
      const text = gettext("and {count} more", { count: number(more) });
      rows.push(element("tr", {}, element("td", { colspan: "3" }, text)));
    }
    const table = query(this.#dialog, ".recipients", HTMLTableElement);
    table.tBodies[0].replaceChildren(...rows);
    table.hidden = !rows.length;
    this.#start.disabled = count === 0;
    const { verb, verbFor } = this.#plan.words;
    this.#start.textContent = count ? verbFor(number(count)) : verb;
  }

  /** @param {Event} event */
  async #begin(event) {
    event.preventDefault();
    if (this.#start.disabled || this.#running) return;
    this.#start.disabled = true;
    this.#showError("");
    try {
      this.#running = (await send("POST", this.#plan.path, this.#body(false))).operation;
    } catch (error) {
      this.#showError(messageOf(error));
      this.#start.disabled = false;
      return;
    }
    this.#disableFields(true);
    this.#start.hidden = true;
    byId("operation-progress").hidden = false;
    this.#close.textContent = gettext("Close");
    this.#close.focus();
    this.#follow();
  }

  /** Show the progress until the operation ends or the dialog is closed. The operation continues either way. */
  async #follow() {
    const id = this.#running?.id;
    while (this.#running?.id === id && this.#dialog.open) {
      this.#showProgress();
      if (this.#running?.state !== "running") break;
      await new Promise((resolve) => setTimeout(resolve, POLL));
      const operation = await fetchJson(`${OPERATIONS}${id}/`).catch(() => null); // offline: tried again
      if (operation && this.#running?.id === id) this.#running = operation;
    }
    const operation = this.#running;
    if (operation?.id === id && operation?.state === "completed") toast(this.#plan.words.ended(operation.done));
  }

  #showProgress() {
    if (!this.#running) return;
    const { state, total, done, left_out: skipped, error } = this.#running;
    const percent = state === "completed" ? 100 : Math.min(100, (100 * (done + skipped)) / Math.max(1, total));
    const bar = query(byId("operation-progress"), ".track");
    bar.dataset.status = state;
    bar.setAttribute("aria-valuenow", String(Math.round(percent)));
    query(bar, "span").style.width = `${percent}%`;
    const rest = skipped && ngettext(
      "{count} delivery skipped because they changed meanwhile.",
      "{count} deliveries skipped because they changed meanwhile.",
      skipped,
    );
    const parts = [this.#plan.words.progress(number(done), number(total)), rest, ENDS[state]];
    byId("operation-status").textContent = parts.filter(Boolean).join(" ");
    this.#stop.hidden = state !== "running";
    this.#showError(error ?? "");
  }

  async #cancel() {
    try {
      this.#running = await send("POST", `${OPERATIONS}${this.#running?.id}/cancel/`);
      this.#showProgress();
    } catch (error) {
      this.#showError(messageOf(error));
    }
  }
}

/** @type {OperationDialog | null} */
let dialog = null;

/** @param {Plan} plan */
export function openOperation(plan) {
  dialog ??= new OperationDialog(plan);
  dialog.open(plan);
}

/** @param {string} id @param {string} name @returns {Plan} */
export const recoverPlan = (id, name) => ({
  title: gettext("Recover {name}", { name }),
  words: RESEND,
  spans: true,
  types: false,
  path: `/api/webhooks/endpoints/${id}/recover/`,
  body: {},
  about: gettext(
    "Resends every delivery to this endpoint that failed in the time range, each with its original webhook-id.",
  ),
});

/** @param {string} id @param {string} name @returns {Plan} */
export const replayPlan = (id, name) => ({
  title: gettext("Replay to {name}", { name }),
  words: SEND,
  spans: true,
  types: true,
  path: `/api/webhooks/endpoints/${id}/replay/`,
  body: {},
  about: gettext(
    "Sends the events of the time range to this endpoint as new deliveries, including those it already received.",
  ),
});
