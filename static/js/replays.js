/** The dialog of the user's replays that are running or paused, each with a button to cancel it. */
import { momentElement } from "./moments.js";
import { element, fetchJson, messageOf, send } from "./page.js";
import { refreshTimes, timeElement } from "./times.js";
import { gettext, textWith } from "./translations.js";
import { statusText } from "./words.js";

/** @typedef {{id: string, state: string, filter: {execution?: string}, percent: number, total: number,
 *             target: {type: string, url?: string}, first_time: string | null, created_at: string}} ReplayRow */

const API = "/api/events/replays/";
const QUERY = "?mine=true&unfinished=true&limit=50";

class ReplaysDialog {
  #list = element("ul", { class: "plain replays" });
  #status = element("p", { class: "muted", role: "status" });
  #dialog = this.#made();

  #made() {
    const close = element("button", { class: "last" }, gettext("Close"));
    const dialog = element(
      "dialog",
      { "aria-labelledby": "replays-title" },
      element(
        "form",
        { method: "dialog" },
        element("div", { class: "card-head" }, element("h2", { id: "replays-title" }, gettext("Your replays"))),
        element("div", { class: "card-body" }, this.#status, this.#list),
        element("div", { class: "ends" }, close),
      ),
    );
    dialog.addEventListener("close", () => dialog.remove());
    return dialog;
  }

  /** @param {string} reason why it opens by itself */
  async show(reason) {
    document.body.append(this.#dialog);
    this.#status.textContent = reason || gettext("Loading");
    this.#dialog.showModal();
    try {
      /** @type {{results: ReplayRow[]}} */
      const { results } = await fetchJson(`${API}${QUERY}`);
      this.#list.replaceChildren(...results.map((row) => this.#row(row)));
      if (!reason || !results.length) this.#say();
    } catch (error) {
      this.#status.textContent = messageOf(error);
    }
    refreshTimes();
  }

  #say() {
    const count = this.#list.childElementCount;
    this.#status.textContent = count
      ? gettext("Running and paused replays. A replay without viewers ends after two minutes.")
      : gettext("No replay is running or paused.");
  }

  /** @param {ReplayRow} replay */
  #row({ id, state, filter, percent, target, first_time: first, created_at: created }) {
    const execution = filter.execution;
    const subject = execution ? gettext("Execution …{id}", { id: execution.slice(-8) }) : gettext("Events");
    const name = execution && target.type === "stream"
      ? element("a", { class: "link", href: `/executions/${execution}/?replay=${id}` }, subject)
      : element("b", {}, target.url ? gettext("{subject} to {url}", { subject, url: target.url }) : subject);
    const about = element("small", {}, gettext("{state}, {percent}%", { state: statusText(state), percent }), " · ");
    about.append(...textWith(gettext("started {time}"), { time: timeElement(created) }));
    if (first) {
      about.append(" · ", ...textWith(gettext("events of {moment}"), { moment: momentElement(first, "minute") }));
    }
    const label = gettext("Cancel: {subject}", { subject });
    const cancel = element("button", { type: "button", class: "small", "aria-label": label }, gettext("Cancel"));
    const row = element("li", {}, element("span", {}, name, about), cancel);
    cancel.addEventListener("click", async () => {
      cancel.disabled = true;
      try {
        await send("POST", `${API}${id}/cancel/`, {});
        row.remove();
        this.#say();
      } catch (error) {
        cancel.disabled = false;
        this.#status.textContent = messageOf(error);
      }
    });
    return row;
  }
}

/** Show the user's unfinished replays. @param {string} [reason] */
export const showReplays = (reason = "") => new ReplaysDialog().show(reason);
