/** Approve and reject: on the page of approvals, and on the monitor of an execution that waits for a decision. */
import { element, send } from "./page.js";
import { tell } from "./times.js";
import { toast } from "./toast.js";

/** Send what is decided in the forms under `root`. @param {Document | HTMLElement} root @param {() => void} then */
export function onDecision(root, then) {
  root.addEventListener("submit", async (event) => {
    const form = event.target;
    if (!form.dataset.decide) return;
    event.preventDefault();
    const buttons = form.querySelectorAll("button");
    buttons.forEach((button) => (button.disabled = true));
    try {
      const body = { decision: event.submitter?.value ?? "approved", comment: form.elements.comment.value };
      const said = await send("POST", `/api/approvals/${form.dataset.decide}/decide/`, body);
      toast(`${said.state === "approved" ? "Approved" : "Rejected"}.`);
    } catch (error) {
      toast(error.message, "failed");
      buttons.forEach((button) => (button.disabled = false));
    }
    form.elements.comment.value = "";
    form.elements.comment.blur();
    then();
  });
}

/** What an execution waits for from people, above its graph. */
export class Decisions {
  /** @param {HTMLElement} root @param {string} execution */
  constructor(root, execution) {
    Object.assign(this, { root, execution });
    this.shown = "";
    onDecision(root, () => {});
  }

  /** @param {ReturnType<typeof import("./fold.js").emptyState>} state */
  draw(state) {
    const waits = [...state.runs.values()].filter((run) => run.status === "waiting" && run.waitsFor?.kind === "approval");
    const key = waits.map((run) => run.waitsFor.wait).join();
    if (key === this.shown) return;
    this.shown = key;
    this.root.hidden = !key;
    if (key) this.fill(key);
  }

  async fill(key) {
    const answer = await fetch(`/api/approvals/?show=open&execution=${this.execution}`);
    if (!answer.ok || key !== this.shown) return;
    const { results } = await answer.json();
    this.root.hidden = results.length === 0;
    this.root.replaceChildren(...results.map((each) => this.row(each)));
    tell();
  }

  row(each) {
    const time = (at) => element("time", { datetime: at, "data-ago": "" });
    const about = element("div", { class: "about" }, element("span", {}, `for ${each.assignee ?? "any editor"}`), element("span", {}, "asked ", time(each.created_at)));
    if (each.expires_at) about.append(element("span", {}, "expires ", time(each.expires_at)));
    const said = element("div", {}, element("p", {}, each.message || "Approve this?"), about);
    if (!each.may_decide) return element("article", { class: "approval" }, said, element("small", {}, "Somebody else decides this."));
    const comment = element("input", { name: "comment", placeholder: "Comment", "aria-label": "Comment", maxlength: "2000", autocomplete: "off" });
    const form = element("form", { "data-decide": each.id }, comment, element("button", { class: "danger", value: "rejected" }, "Reject"), element("button", { class: "approve", value: "approved" }, "Approve"));
    return element("article", { class: "approval" }, said, form);
  }
}
