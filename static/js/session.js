/**
 * The session of the page. Requests and sockets report that it has ended. The page then says so, keeps what is typed,
 * and offers to sign in, here or in another tab. Once the user is signed in again, in any tab, the page goes on.
 *
 *   session.signedOut        dispatches "change" when it becomes true or false
 *   await session.signIn()   resolves to true when the user is signed in again, to false if they decline
 */
import { gettext } from "./translations.js";

const POLL = 10_000; // ms between checks while the page is signed out
const IDLE = 60_000; // ms after which a page that is shown again checks its session

/** @param {string} tag @param {Record<string, string>} attributes @param {(Node | string)[]} children */
function make(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

class PageSession extends EventTarget {
  signedOut = false;
  /** The id of the user for whom the page was made; empty on pages without one. */
  user = document.querySelector('meta[name="user"]')?.getAttribute("content") ?? "";
  /** @type {HTMLDialogElement | null} */
  #dialog = null;
  /** @type {{promise: Promise<boolean>, resolve: (signedIn: boolean) => void} | null} the requests that wait */
  #waiting = null;
  #declined = false;
  #polling = 0; // timer
  #checkedAt = Date.now();
  #tabs = new BroadcastChannel("session");

  constructor() {
    super();
    if (!this.user) return;
    this.#tabs.onmessage = () => this.signedOut && this.check();
    this.#tabs.postMessage("signed in"); // pages of other tabs may be waiting for it
    document.addEventListener("visibilitychange", () => {
      const idle = Date.now() - this.#checkedAt > IDLE;
      if (!document.hidden && (this.signedOut || idle)) this.check();
    });
  }

  /** The session has ended: say so, once. */
  expired() {
    if (this.signedOut || !this.user) return;
    this.signedOut = true;
    this.#polling = setInterval(() => this.check(), POLL);
    this.#showState();
    this.dispatchEvent(new Event("change"));
    this.#open();
  }

  /**
   * Wait until the user is signed in again.
   * @param {boolean} [asked] the user has just done something: ask again, even if they have declined
   * @returns {Promise<boolean>}
   */
  signIn(asked = true) {
    if (!this.user) return Promise.resolve(false);
    this.expired();
    if (this.#declined && !asked) return Promise.resolve(false);
    this.#waiting ??= Promise.withResolvers();
    this.#open();
    return this.#waiting.promise;
  }

  /** Ask the server whether the user is signed in. Returns whether the page can go on. */
  async check() {
    this.#checkedAt = Date.now();
    const response = await fetch("/api/session/", { cache: "no-store" }).catch(() => null);
    const found = response?.ok ? await response.json() : null;
    if (!found) return false; // no connection: checked again later
    if (!found.user) this.expired();
    else if (String(found.user.id) !== this.user) this.#otherUser(found.user.username);
    else this.#renewed(found.csrf_token);
    return !this.signedOut && String(found.user?.id) === this.user;
  }

  /** @param {string} token the CSRF token of the new session */
  #renewed(token) {
    for (const input of document.querySelectorAll("[name=csrfmiddlewaretoken]")) input.setAttribute("value", token);
    if (!this.signedOut) return;
    this.signedOut = this.#declined = false;
    clearInterval(this.#polling);
    this.#dialog?.remove();
    this.#dialog = null;
    this.#showState();
    this.dispatchEvent(new Event("change"));
    this.#waiting?.resolve(true);
    this.#waiting = null;
  }

  #decline() {
    this.#declined = true;
    this.#waiting?.resolve(false);
    this.#waiting = null;
  }

  /** The state in the bar; pages with a connection write it themselves. */
  #showState() {
    const pill = document.getElementById("connection");
    if (!pill) return;
    pill.hidden = !this.signedOut;
    pill.dataset.state = "offline";
    const button = make("button", { type: "button", class: "link" }, gettext("signed out"));
    button.addEventListener("click", () => this.signIn());
    pill.replaceChildren(button);
    const tip = document.getElementById("connection-tip");
    if (tip) {
      tip.textContent = gettext(
        "Your session has ended. Sign in here or in another tab; nothing on this page is lost.",
      );
    }
  }

  #open() {
    const next = encodeURIComponent(location.pathname + location.search);
    this.#show(
      gettext("You are signed out"),
      gettext(
        "Your session has ended. What you typed on this page is kept: sign in in a new tab, and this page continues by itself.",
      ),
      make("a", { class: "button", href: `/login/?next=${next}` }, gettext("Sign in here")),
      make(
        "a",
        { class: "button primary", href: `/login/?next=${next}`, target: "_blank" },
        gettext("Sign in in a new tab"),
      ),
    );
  }

  /** @param {string} username */
  #otherUser(username) {
    this.expired();
    const reload = make("button", { type: "button", class: "primary" }, gettext("Reload this page"));
    reload.addEventListener("click", () => location.reload());
    const text = gettext(
      "You have signed in as {username}, and this page belongs to another user. Reload it to continue.",
      { username },
    );
    this.#show(gettext("Another user is signed in"), text, reload);
  }

  /** Show the dialog. @param {string} title @param {string} text @param {HTMLElement[]} actions */
  #show(title, text, ...actions) {
    if (this.#dialog?.open && this.#dialog.dataset.title === title) return;
    this.#dialog?.remove();
    const later = make("button", { class: "first quiet" }, gettext("Not now"));
    const dialog = /** @type {HTMLDialogElement} */ (make(
      "dialog",
      { "aria-labelledby": "signed-out-title", "aria-describedby": "signed-out-text", "data-title": title },
      make(
        "form",
        { method: "dialog" },
        make("div", { class: "card-head" }, make("h2", { id: "signed-out-title" }, title)),
        make("div", { class: "card-body" }, make("p", { id: "signed-out-text" }, text)),
        make("div", { class: "ends" }, later, ...actions),
      ),
    ));
    dialog.addEventListener("close", () => this.#decline());
    document.body.append(dialog);
    this.#dialog = dialog;
    dialog.showModal();
    actions.at(-1)?.focus();
  }
}

export const session = new PageSession();
