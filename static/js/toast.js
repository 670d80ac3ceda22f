/** Short messages at the page's edge. */
import { by, element } from "./page.js";

const SHOWN = 6000; // ms
const KEPT = "toast";

/** @param {string} text @param {string} [status] colours it */
export function toast(text, status = "completed") {
  const made = element("div", { class: "toast", "data-status": status }, text);
  by("toasts").append(made);
  setTimeout(() => made.remove(), SHOWN);
}

/** Show `text` on the page that comes next. */
export function toastLater(text) {
  sessionStorage.setItem(KEPT, text);
}

const kept = sessionStorage.getItem(KEPT);
if (kept) {
  sessionStorage.removeItem(KEPT);
  toast(kept);
}
