/** Short messages at the edge of the page. */
import { byId, copyText, element } from "./page.js";

const VISIBLE = 6000; // ms
const STORED = "toast";

/** @param {string} text @param {string} [status] sets the colour */
export function toast(text, status = "completed") {
  const message = element("div", { class: "toast", "data-status": status }, text);
  byId("toasts").append(message);
  setTimeout(() => message.remove(), VISIBLE);
}

/** Show `text` on the next page. @param {string} text */
export function toastLater(text) {
  sessionStorage.setItem(STORED, text);
}

/** Copy a text and say so. @param {string} text @param {string} [done] */
export async function copyAndTell(text, done = "Copied to the clipboard.") {
  if (await copyText(text)) toast(done);
  else toast("Your browser blocked access to the clipboard.", "failed");
}

const stored = sessionStorage.getItem(STORED);
if (stored) {
  sessionStorage.removeItem(STORED);
  toast(stored);
}
