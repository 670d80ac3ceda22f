/** Approve and reject: on the page of approvals, and on the monitor of an execution that waits for a decision. */
import { element, fetchJson, field, messageOf, send } from "./page.js";
import { refreshTimes, timeElement } from "./times.js";
import { toast } from "./toast.js";

/** @import { State } from "./types.js" */
/** @typedef {{id: string, message: string, assignee: string | null, created_at: string, expires_at: string | null,
 *             may_decide: boolean}} Approval */

/** Send the decisions made in forms under `root`. @param {Document | HTMLElement} root @param {() => void} then */
export function onDecision(root, then) {
  root.addEventListener("submit", async (event) => {
    const form = /** @type {HTMLFormElement} */ (event.target);
    if (!form.dataset.decide) return;
    event.preventDefault();
    const submitter = /** @type {HTMLButtonElement | null} */ (/** @type {SubmitEvent} */ (event).submitter);
    const buttons = form.querySelectorAll("button");
    const comment = field(form, "comment");
    for (const button of buttons) button.disabled = true;
    try {
      const body = { decision: submitter?.value ?? "approved", comment: comment.value };
      const decided = await send("POST", `/api/approvals/${form.dataset.decide}/decide/`, body);
      toast(decided.state === "approved" ? "Approved." : "Rejected.");
    } catch (error) {
      toast(messageOf(error), "failed");
      for (const button of buttons) button.disabled = false;
    }
    comment.value = "";
    comment.blur();
    then();
  });
}

/** The decisions that an execution waits for, above its graph. */
export class Decisions {
  #shown = "";

  /** @param {HTMLElement} root @param {string} execution */
  constructor(root, execution) {
    this.root = root;
    this.execution = execution;
    onDecision(root, () => {});
  }

  /** @param {State} state */
  draw(state) {
    const approvals = [...state.runs.values()].filter((run) =>
      run.status === "waiting" && run.waitsFor?.kind === "approval"
    );
    const key = approvals.map((run) => run.waitsFor?.wait).join();
    if (key === this.#shown) return;
    this.#shown = key;
    this.root.hidden = !key;
    if (key) this.#fetch(key);
  }

  /** @param {string} key */
  async #fetch(key) {
    const answer = await fetchJson(`/api/approvals/?show=open&execution=${this.execution}`).catch(() => null);
    if (!answer || key !== this.#shown) return;
    /** @type {{results: Approval[]}} */
    const { results } = answer;
    this.root.hidden = results.length === 0;
    this.root.replaceChildren(...results.map((approval) => this.#row(approval)));
    refreshTimes();
  }

  /** @param {Approval} approval */
  #row(approval) {
    const about = element(
      "div",
      { class: "about" },
      element("span", {}, `For ${approval.assignee ?? "any editor"}`),
      element("span", {}, "requested ", timeElement(approval.created_at)),
    );
    if (approval.expires_at) about.append(element("span", {}, "expires ", timeElement(approval.expires_at)));
    const text = element("div", {}, element("p", {}, approval.message || "Approve?"), about);
    if (!approval.may_decide) {
      return element("article", { class: "approval" }, text, element("small", {}, "Assigned to someone else."));
    }
    const form = element(
      "form",
      { "data-decide": approval.id },
      element("input", {
        name: "comment",
        placeholder: "Comment",
        "aria-label": "Comment",
        maxlength: "2000",
        autocomplete: "off",
      }),
      element("button", { class: "danger", value: "rejected" }, "Reject"),
      element("button", { class: "approve", value: "approved" }, "Approve"),
    );
    return element("article", { class: "approval" }, text, form);
  }
}
