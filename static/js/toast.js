/** Short messages at the edge of the page, some with a way to undo what was done. */
import { byId, copyText, element, messageOf } from "./page.js";
import { gettext } from "./translations.js";

const VISIBLE = 6000; // ms
const UNDO_VISIBLE = 12_000; // ms
const STORED = "toast";

/**
 * Show a message. It stays while the pointer or the focus is on it.
 * @param {string} text names what was done
 * @param {string} [status] sets the colour
 * @param {() => Promise<unknown>} [undo] offered as a button
 */
export function toast(text, status = "completed", undo) {
  const message = element("div", { class: "toast", "data-status": status }, element("span", {}, text));
  const begin = () => setTimeout(() => message.remove(), undo ? UNDO_VISIBLE : VISIBLE);
  let timer = begin();
  for (const event of ["pointerenter", "focusin"]) message.addEventListener(event, () => clearTimeout(timer));
  for (const event of ["pointerleave", "focusout"]) {
    message.addEventListener(event, () => {
      clearTimeout(timer);
      timer = begin();
    });
  }
  if (undo) {
    const button = element("button", { type: "button", class: "small quiet" }, gettext("Undo"));
    button.addEventListener("click", () => {
      message.remove();
      undo().catch((error) => toast(messageOf(error), "failed"));
    });
    message.append(button);
  }
  byId("toasts").append(message);
}

/** Show `text` on the next page. @param {string} text */
export function toastLater(text) {
  sessionStorage.setItem(STORED, text);
}

/** Copy a text and say so. @param {string} text @param {string} [done] */
export async function copyAndTell(text, done = gettext("Copied to the clipboard.")) {
  if (await copyText(text)) toast(done);
  else toast(gettext("Your browser blocked access to the clipboard."), "failed");
}

const stored = sessionStorage.getItem(STORED);
if (stored) {
  sessionStorage.removeItem(STORED);
  toast(stored);
}
