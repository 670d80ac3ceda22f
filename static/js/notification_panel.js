/**
 * The bell in the bar: how many notifications are unread, live, and a panel with the newest ones. It uses the connection
 * of the page, or opens one if the page has none.
 */
import { pageConnection } from "./connection.js";
import { EventStream } from "./event_stream.js";
import { byId, element, fetchJson, messageOf, request } from "./page.js";
import { refreshTimes, timeElement } from "./times.js";
import { gettext } from "./translations.js";

/** @import { Envelope } from "./event_stream.js" */
/** @typedef {{id: string, kind: string, title: string, text: string, url: string, unread: boolean,
 *             happened_at: string, workspace_name: string}} Note */

const PATH = "/api/notifications/";
const SHOWN = 10;
const MOST = 100; // counted exactly below
const PAUSE = 300; // ms in which events are collected

/** Dispatches "notifications" with the events of the user's stream. */
export const notifications = new EventTarget();

/** Mark notifications as read, also while the page is left. @param {{ids: string[]} | {through: string}} which */
export async function markRead(which) {
  const response = await request(`${PATH}read/`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(which),
    keepalive: true,
  });
  if (response.ok) showCount((await response.json()).unread);
}

/** @param {number} unread */
function showCount(unread) {
  const badge = byId("bell-count");
  const text = unread >= MOST ? `${MOST - 1}+` : String(unread);
  badge.textContent = text;
  badge.hidden = unread === 0;
  const label = unread ? gettext("Notifications, {unread} unread", { unread: text }) : gettext("Notifications");
  byId("bell").setAttribute("aria-label", label);
}

class Panel {
  /** @type {string | undefined} the newest that is shown */
  #newest;

  constructor() {
    this.root = byId("bell-panel");
    this.list = byId("bell-list");
    this.root.addEventListener("toggle", (event) => {
      if (event instanceof ToggleEvent && event.newState === "open") this.refresh();
    });
    for (const each of [this.root, byId("bell")]) each.addEventListener("keydown", (event) => this.#move(event));
    byId("bell-read-all").addEventListener("click", async () => {
      if (this.#newest) await markRead({ through: this.#newest });
      await this.refresh();
      byId("bell").focus();
    });
  }

  get open() {
    return this.root.matches(":popover-open");
  }

  /** Fetch the newest notifications. */
  async refresh() {
    this.root.setAttribute("aria-busy", "true");
    const problem = byId("bell-problem");
    try {
      /** @type {{results: Note[]}} */
      const { results } = await fetchJson(`${PATH}?limit=${SHOWN}`);
      const focused = /** @type {HTMLElement | null} */ (document.activeElement?.closest("[data-id]"))?.dataset.id;
      this.#newest = results.at(0)?.id;
      this.list.replaceChildren(...results.map((note) => this.#row(note)));
      byId("bell-empty").hidden = results.length > 0;
      byId("bell-read-all").hidden = !results.some((note) => note.unread);
      const again = focused && this.list.querySelector(`[data-id="${focused}"] a`);
      if (again instanceof HTMLElement) again.focus();
      problem.hidden = true;
      refreshTimes();
    } catch (error) {
      problem.textContent = messageOf(error);
      problem.hidden = false;
    }
    this.root.removeAttribute("aria-busy");
  }

  /** @param {Note} note */
  #row(note) {
    const drawn = this.root.querySelector(`template[data-kind="${note.kind}"]`);
    const icon = drawn instanceof HTMLTemplateElement ? drawn.content.cloneNode(true) : "";
    const title = element("b", {}, note.title);
    if (note.unread) title.append(element("span", { class: "visually-hidden" }, gettext(", unread")));
    const when = element("small", {}, timeElement(note.happened_at), ` · ${note.workspace_name}`);
    const link = element(
      "a",
      { href: note.url },
      icon,
      element("span", {}, title, element("span", {}, note.text), when),
    );
    if (note.unread) link.addEventListener("click", () => markRead({ ids: [note.id] }));
    const attributes = { "data-id": note.id, "data-kind": note.kind, ...(note.unread && { "data-unread": "" }) };
    return element("li", attributes, link);
  }

  /** @param {KeyboardEvent} event */
  #move(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || !this.open) return;
    event.preventDefault();
    const links = /** @type {HTMLElement[]} */ ([...this.root.querySelectorAll("a")]);
    const at = links.findIndex((link) => link === document.activeElement);
    const next = at < 0 ? (step > 0 ? 0 : -1) : at + step;
    links.at(next % links.length)?.focus();
  }
}

/** Show what happens to the notifications of the user from now on. @param {HTMLElement} bell */
export function follow(bell) {
  const panel = new Panel();
  let due = 0;
  /** @param {Envelope[]} events */
  const onEvents = (events) => {
    notifications.dispatchEvent(new CustomEvent("notifications", { detail: events }));
    clearTimeout(due);
    due = setTimeout(async () => {
      const { unread } = await fetchJson(`${PATH}count/`);
      showCount(unread);
      if (panel.open) await panel.refresh();
    }, PAUSE);
  };
  const { stream = "", head = "0" } = bell.dataset;
  (pageConnection() ?? new EventStream()).subscribe(stream, { after: Number(head), onEvents });
}
