/** Questions before something that cannot be undone. */
import { element } from "./page.js";
import { gettext } from "./translations.js";

/** Ask in a dialog. Returns whether the user agrees: the button with the verb, not Escape.
 *  @param {{title: string, text: string, verb: string, danger?: boolean}} question @returns {Promise<boolean>} */
export function ask({ title, text, verb, danger = false }) {
  const back = element("button", { value: "" }, gettext("Back"));
  const go = element("button", { value: "yes", class: danger ? "danger" : "primary" }, verb);
  const dialog = element(
    "dialog",
    { "aria-labelledby": "question-title" },
    element(
      "form",
      { method: "dialog" },
      element("div", { class: "card-head" }, element("h2", { id: "question-title" }, title)),
      element("div", { class: "card-body" }, element("p", { class: "question" }, text)),
      element("div", { class: "ends" }, back, go),
    ),
  );
  document.body.append(dialog);
  dialog.showModal();
  go.focus();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
  });
}
