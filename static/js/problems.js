/** Problems of a request, said at the fields of a form that they are about. */
import { element } from "./page.js";

/** @param {HTMLFormElement} form */
export function clearProblems(form) {
  for (const old of form.querySelectorAll("label .error, .field .error")) old.remove();
  for (const old of form.querySelectorAll("[aria-invalid]")) old.removeAttribute("aria-invalid");
}

/** Return the control that a field of the API belongs to: `auth.token`, or else `auth`, or what is called so. */
function controlOf(form, field) {
  const parts = field.split(".");
  for (let length = parts.length; length > 0; length -= 1) {
    const found = form.elements.namedItem(parts.slice(0, length).join("."));
    const control = found instanceof RadioNodeList ? found[0] : found;
    if (control instanceof HTMLElement && control.tagName !== "FIELDSET") return control;
  }
  return null;
}

/** Say at each field what is wrong with it, and return what belongs to none.
 * @param {HTMLFormElement} form @param {{field: string, message: string}[]} errors */
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
  form.querySelector("[aria-invalid]")?.focus();
  return rest.join(" ");
}
