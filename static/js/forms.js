/** Forms that send JSON, dialogs that ask before something is done, and secrets that are shown once. */
import { buttonById, byId, copyText, dialogById, errorsOf, findById, messageOf, query } from "./page.js";
import { clearProblems, showProblems } from "./problems.js";
import { toast } from "./toast.js";
import { gettext } from "./translations.js";

/**
 * Show the problems of a form: at the fields, and the others in its notice.
 * @param {HTMLFormElement} form
 * @param {unknown} error
 */
export function showErrors(form, error) {
  const errors = errorsOf(error);
  const rest = showProblems(form, errors) || (errors.length ? "" : messageOf(error));
  const notice = query(form, ".notice[role=alert]");
  notice.textContent = rest;
  notice.hidden = !rest;
}

/**
 * Return whether all required fields have a value; otherwise say at each that it is required.
 * @param {HTMLFormElement} form
 */
function isFilled(form) {
  const controls = /** @type {HTMLInputElement[]} */ ([...form.elements]);
  const empty = controls.filter((control) => control.required && !control.value.trim());
  showProblems(form, empty.map(({ name }) => ({ field: name, message: gettext("This field is required.") })));
  return empty.length === 0;
}

/**
 * Call `save` when the form is submitted, and show what the server refuses. The button is off meanwhile.
 * @param {string} id
 * @param {(form: HTMLFormElement) => Promise<void>} save
 */
export function onSubmit(id, save) {
  const found = findById(id, HTMLFormElement);
  found?.addEventListener("submit", async (event) => {
    event.preventDefault();
    clearProblems(found);
    query(found, ".notice[role=alert]").hidden = true;
    if (!isFilled(found)) return;
    const button = query(found, "button:not([type=button])", HTMLButtonElement);
    button.disabled = true;
    try {
      await save(found);
    } catch (error) {
      showErrors(found, error);
    } finally {
      button.disabled = false;
    }
  });
}

/**
 * Ask before something is done, and do it.
 * @param {{title: string, text: string, yes: string}} words
 * @param {() => Promise<void>} act
 */
export function confirm({ title, text, yes }, act) {
  const button = buttonById("confirm-yes");
  const problem = byId("confirm-problem");
  byId("confirm-title").textContent = title;
  byId("confirm-text").textContent = text;
  button.textContent = yes;
  problem.hidden = true;
  button.onclick = async () => {
    button.disabled = true;
    try {
      await act();
    } catch (error) {
      problem.textContent = messageOf(error);
      problem.hidden = false;
    }
    button.disabled = false;
  };
  dialogById("confirm").showModal();
}

/**
 * Open a dialog and put its form back to its beginning.
 * @param {string} id
 */
export function openForm(id) {
  const dialog = dialogById(id);
  const form = query(dialog, "form", HTMLFormElement);
  form.reset();
  clearProblems(form);
  query(form, ".notice[role=alert]").hidden = true;
  dialog.showModal();
  const first = form.querySelector("input:not([type=hidden]), select");
  if (first instanceof HTMLElement) first.focus();
}

/**
 * Show a secret until the person has confirmed; then call `done`.
 * @param {string} value
 * @param {() => void} done
 */
export function showOnce(value, done) {
  const dialog = dialogById("secret");
  byId("secret-value").textContent = value;
  dialog.addEventListener("close", () => {
    byId("secret-value").textContent = "";
    done();
  }, { once: true });
  dialog.showModal();
  buttonById("secret-copy").focus();
}

async function copySecret() {
  const secret = byId("secret-value");
  const button = buttonById("secret-copy");
  if (await copyText(secret.textContent)) {
    button.lastChild?.replaceWith(gettext("Copied"));
    return toast(gettext("Copied to the clipboard."));
  }
  getSelection()?.selectAllChildren(secret);
  toast(
    gettext("Your browser blocked access to the clipboard. The text is selected: copy it with Ctrl+C."),
    "failed",
  );
}

findById("secret-copy")?.addEventListener("click", copySecret);
findById("secret")?.addEventListener("cancel", (event) => event.preventDefault()); // Escape would lose it
for (const button of document.querySelectorAll("dialog [data-close]")) {
  button.addEventListener("click", () => button.closest("dialog")?.close());
}
