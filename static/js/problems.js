/** Shows the problems of a request next to the form fields that they are about. */
import { element } from "./page.js";

/** @import { FieldProblem } from "./types.js" */

/** @param {HTMLFormElement} form */
export function clearProblems(form) {
  for (const message of form.querySelectorAll("label .error, .field .error")) message.remove();
  for (const control of form.querySelectorAll("[aria-invalid]")) control.removeAttribute("aria-invalid");
}

/**
 * Return the control of an API field: for `auth.token` the control of that name, else `auth`; null if there is none.
 * @param {HTMLFormElement} form
 * @param {string} field
 */
function controlOf(form, field) {
  const parts = field.split(".");
  for (let length = parts.length; length > 0; length -= 1) {
    const named = form.elements.namedItem(parts.slice(0, length).join("."));
    const control = named instanceof RadioNodeList ? named[0] : named;
    if (control instanceof HTMLElement && control.tagName !== "FIELDSET") return control;
  }
  return null;
}

/**
 * Show each problem at its field. Returns the text of those that belong to no field.
 * @param {HTMLFormElement} form
 * @param {FieldProblem[]} errors
 */
export function showProblems(form, errors) {
  clearProblems(form);
  const rest = [];
  for (const { field, message } of errors) {
    const control = controlOf(form, field ?? "");
    if (!control) {
      rest.push(field && field !== "non_field_errors" ? `${field}: ${message}` : message);
      continue;
    }
    control.setAttribute("aria-invalid", "true");
    (control.closest(".beside, .segments") ?? control).after(element("span", { class: "error" }, message));
  }
  const first = form.querySelector("[aria-invalid]");
  if (first instanceof HTMLElement) first.focus();
  return rest.join(" ");
}
