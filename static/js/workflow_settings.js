/** The form of a workflow's settings: each field is named by its path in the settings. */
import { read, write } from "./exact_json.js";
import { byId, data, element, fetchJson, findField } from "./page.js";
import { gettext } from "./translations.js";

/** @typedef {HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement} Control */

/** @param {HTMLFormElement} form @returns {Control[]} */
const controls = (form) => /** @type {any} */ ([...form.elements].filter((each) => "name" in each && each.name));

/** @param {any} settings @param {string} path */
const valueAt = (settings, path) => path.split(".").reduce((value, key) => value?.[key], settings);

/** @param {Control} control @param {any} value */
function fill(control, value) {
  if (value === undefined || value === null) return;
  if ("json" in control.dataset) control.value = write(value, 2);
  else control.value = control.dataset.factor ? String(value / Number(control.dataset.factor)) : String(value);
}

/** Return the value of a control; undefined if it is empty. Throws an Error that names the field. @param {Control} control */
function valueOf(control) {
  const text = control.value.trim();
  if (!text) return undefined;
  if ("json" in control.dataset) {
    try {
      return read(text);
    } catch (error) {
      const label = control.labels?.[0]?.firstChild?.textContent ?? control.name;
      const reason = /** @type {Error} */ (error).message;
      throw new Error(gettext("{label}: this is not JSON ({reason}).", { label, reason }));
    }
  }
  if (control.type !== "number") return text;
  return Number(text) * Number(control.dataset.factor ?? 1);
}

/**
 * Return the settings of the form. Settings that it has no field for stay as they are. Throws an Error.
 * @param {HTMLFormElement} form
 */
export function settingsOf(form) {
  const settings = structuredClone(data.definition.settings ?? {});
  for (const control of controls(form)) {
    const [key, inner] = control.name.split(".");
    const value = valueOf(control);
    if (!inner) {
      if (value === undefined) delete settings[key];
      else settings[key] = value;
    } else if (value !== undefined) settings[key] = { ...settings[key], [inner]: value };
    else if (settings[key]) delete settings[key][inner];
  }
  for (const [group, needed] of [["concurrency", "limit"], ["rate_limit", "count"], ["cache", "ttl"]]) {
    if (settings[group]?.[needed] === undefined) delete settings[group];
  }
  return settings;
}

/** Offer the other workflows as error workflows. @param {HTMLSelectElement} select */
async function offerWorkflows(select) {
  const { results } = await fetchJson("/api/workflows/?limit=200");
  const others = results.filter((/** @type {any} */ each) => each.id !== data.workflow);
  select.append(...others.map((/** @type {any} */ each) => element("option", { value: each.id }, each.name)));
}

/** Open the form with the settings of the page's version. @param {HTMLFormElement} form @param {HTMLDialogElement} dialog */
export async function openSettings(form, dialog) {
  const zones = byId("time-zones", HTMLDataListElement);
  if (!zones.options.length) {
    zones.append(...Intl.supportedValuesOf("timeZone").map((value) => element("option", { value })));
    await offerWorkflows(/** @type {any} */ (findField(form, "error_workflow")));
  }
  form.reset();
  for (const control of controls(form)) fill(control, valueAt(data.definition.settings, control.name));
  dialog.showModal();
}
