/** Approve and reject: on the page of approvals, and on the monitor of an execution that waits for a decision. */
import { ask } from "./confirmation.js";
import { element, fetchJson, field, messageOf, send } from "./page.js";
import { refreshTimes, timeElement } from "./times.js";
import { toast } from "./toast.js";
import { gettext, ngettext, number, textWith } from "./translations.js";

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
      title: approves ? gettext("Approve?") : gettext("Reject?"),
      text: `${message}\n\n${gettext("The execution continues at once. You cannot undo this.")}`,
      verb: approves ? gettext("Approve") : gettext("Reject"),
      danger: !approves,
    });
    if (!sure) return;
    for (const button of buttons) button.disabled = true;
    try {
      const body = { decision: submitter?.value ?? "approved", comment: comment.value };
      const decided = await send("POST", `/api/approvals/${form.dataset.decide}/decide/`, body);
      toast(decided.state === "approved" ? gettext("Approved.") : gettext("Rejected."));
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
    const { items, total } = data;
    const shown = number(items.length);
    const title = items.length < total
      ? ngettext("First {shown} of {count} item", "First {shown} of {count} items", total, { shown })
      : ngettext("{count} item", "{count} items", total);
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
    const { assignee, expires_at: expires } = approval;
    const about = element(
      "div",
      { class: "about" },
      element("span", {}, assignee ? gettext("For {assignee}", { assignee }) : gettext("For any editor")),
      element("span", {}, ...textWith(gettext("requested {time}"), { time: timeElement(approval.created_at) })),
    );
    if (expires) {
      about.append(element("span", {}, ...textWith(gettext("expires {time}"), { time: timeElement(expires) })));
    }
    const text = element("div", {}, element("p", {}, approval.message || gettext("Approve?")), about);
    this.#showData(text, approval.id);
    if (!approval.may_decide) {
      return element(
        "article",
        { class: "approval" },
        text,
        element("small", {}, gettext("Assigned to someone else.")),
      );
    }
    const form = element(
      "form",
      { "data-decide": approval.id },
      element("input", {
        name: "comment",
        placeholder: gettext("Comment"),
        "aria-label": gettext("Comment"),
        maxlength: "2000",
        autocomplete: "off",
      }),
      element("button", { class: "danger", value: "rejected" }, gettext("Reject")),
      element("button", { class: "approve", value: "approved" }, gettext("Approve")),
    );
    return element("article", { class: "approval" }, text, form);
  }
}
