/** Approve and reject: on the page of approvals, and on the monitor of an execution that waits for a decision. */
import { ask } from "./confirmation.js";
import { counted, element, fetchJson, field, messageOf, send } from "./page.js";
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
    const approves = submitter?.value !== "rejected";
    const message = form.closest(".approval")?.querySelector("p")?.textContent ?? "";
    const sure = await ask({
      title: approves ? "Approve?" : "Reject?",
      text: `${message}\n\nThe execution continues at once. You cannot undo this.`,
      verb: approves ? "Approve" : "Reject",
      danger: !approves,
    });
    if (!sure) return;
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

/** The decisions that an execution waits for, at the bottom of the window. */
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

  /** Add the data that is approved. @param {HTMLElement} card @param {string} id */
  async #showData(card, id) {
    /** @type {{items: unknown[], total: number, text: string} | null} */
    const data = await fetchJson(`/api/approvals/${id}/items/`).catch(() => null);
    if (!data?.items.length) return;
    const cut = data.items.length < data.total;
    const title = cut ? `First ${data.items.length} of ${data.total} items` : counted(data.total, "item");
    const details = element(
      "details",
      { class: "approval-data", open: "" },
      element("summary", {}, title),
      element("pre", { tabindex: "0" }, data.text),
    );
    card.append(details);
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
    this.#showData(text, approval.id);
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
