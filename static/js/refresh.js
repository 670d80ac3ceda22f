/**
 * Parts of a page that the server renders again. HTMX fetches and swaps them, as the attributes of the part say
 * (`hx-select`, `hx-swap`); forms with `hx-preserve` keep what is being typed. This module says when.
 */
import { session } from "./session.js";
import { refreshTimes } from "./times.js";

/**
 * @typedef {{elt: Element, target: Element, requestConfig: {elt: Element}, xhr: XMLHttpRequest, shouldSwap: boolean,
 *            parameters: Record<string, any>}} Detail of an event; a list from the browser's history has no `target`
 */

/** @type {{ajax: (method: string, path: string, context: {source: string, swap?: string}) => Promise<void>}} */
const htmx = /** @type {any} */ (globalThis).htmx;

/** Listen to an event of HTMX. @param {string} name @param {(detail: Detail, event: Event) => void} handler */
export function onHtmx(name, handler) {
  document.body.addEventListener(`htmx:${name}`, (event) => handler(/** @type {CustomEvent} */ (event).detail, event));
}

/** Fetch markup and swap it in, as the element with this id says. @param {string} id @param {string} path
 *  @param {string} [swap] */
export const swapFrom = (id, path, swap) => htmx.ajax("GET", path, { source: `#${id}`, ...(swap && { swap }) });

/**
 * Return a function that has a part of the page fetched again: one request at a time, with `pause` ms between them.
 * @param {string} id
 * @param {number} pause
 * @param {() => string} [path] the page's own address by default
 */
export function refresher(id, pause, path = () => location.href) {
  let [due, busy] = [false, false];
  async function run() {
    busy = true;
    while (due) {
      due = false;
      await swapFrom(id, path()).catch(() => (due = true)); // offline: tried again
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
    busy = false;
  }
  return () => {
    due = true;
    if (!busy) run();
  };
}

/** Whether the user works in an element: focus is in it, or a dialog is open. @param {Element} element */
export function isInUse(element) {
  return element.contains(document.activeElement) || document.querySelector("dialog[open]") !== null;
}

/** Leave empty filters out of the address. */
export function dropEmptyParameters() {
  onHtmx("configRequest", ({ parameters }) => {
    for (const [name, value] of Object.entries(parameters)) if (value === "") delete parameters[name];
  });
}

/** @type {Element | null} */
let focused = null;
onHtmx("beforeSwap", (detail) => {
  if (detail.xhr.responseURL.includes("/login/")) {
    detail.shouldSwap = false; // the session has ended: keep the page
    session.expired();
  }
  focused = document.activeElement;
});
onHtmx("afterSwap", () => {
  if (focused instanceof HTMLElement && focused.isConnected && focused !== document.body) focused.focus();
  refreshTimes();
});
refreshTimes();
