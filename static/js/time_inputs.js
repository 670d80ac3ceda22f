/**
 * Inputs for moments. A template has `<input type="datetime-local" name="since" data-moment>` with a value in UTC. On the
 * page it shows the time zone of all times, and a hidden input beside it has its name and, as value, the moment in ISO
 * 8601 and UTC, which forms send. Without scripts, the form sends what it says: UTC.
 */
import { momentOf, wallTime, zoneOfInputs, zones } from "./moments.js";

/** @param {HTMLInputElement} input @returns {HTMLInputElement | null} the hidden input */
function partner(input) {
  const next = input.nextElementSibling;
  return next instanceof HTMLInputElement && next.type === "hidden" ? next : null;
}

/** @param {ParentNode} part */
const inputsIn = (
  part,
) => /** @type {NodeListOf<HTMLInputElement>} */ (part.querySelectorAll("input[type=datetime-local][data-moment]"));

/** Return the moment that a form's value stands for, in ISO 8601: one without a zone is in UTC. @param {string} text */
export function isoMoment(text) {
  const moment = new Date(/(Z|[+-]\d\d:?\d\d)$/.test(text) ? text : `${text}Z`);
  return Number.isNaN(moment.getTime()) ? "" : moment.toISOString();
}

/** Show the moments of the hidden inputs in a part of the page. @param {ParentNode} [part] */
export function showTimeInputs(part = document) {
  for (const input of inputsIn(part)) {
    const value = isoMoment(partner(input)?.value ?? "");
    const shown = value && wallTime(value);
    input.value = input.step ? shown : shown.slice(0, "2026-01-01T00:00".length);
  }
  for (const name of part.querySelectorAll("[data-zone-name]")) name.textContent = zoneOfInputs();
}

/** Have the inputs of the page show the time zone of all times, and follow the switch between local time and UTC. */
export function followTimeInputs() {
  for (const input of inputsIn(document)) {
    const hidden = document.createElement("input");
    hidden.type = "hidden";
    hidden.name = input.name;
    hidden.value = isoMoment(input.defaultValue);
    input.removeAttribute("name");
    input.after(hidden);
  }
  // Before all other listeners: they read the form.
  for (const kind of ["input", "change"]) {
    addEventListener(kind, ({ target }) => {
      if (!(target instanceof HTMLInputElement) || !("moment" in target.dataset)) return;
      const hidden = partner(target);
      if (hidden) hidden.value = target.value ? momentOf(target.value) : "";
    }, true);
  }
  zones.addEventListener("change", () => showTimeInputs());
  showTimeInputs();
}

/** Set a form's moment, and show it. @param {HTMLFormElement} form @param {string} name @param {string} iso */
export function setMoment(form, name, iso) {
  const hidden = form.elements.namedItem(name);
  if (hidden instanceof HTMLInputElement) hidden.value = iso;
  showTimeInputs(form);
}
