/**
 * Shortcuts of single keys, such as `j` and `/`. They never act while the keyboard belongs to a control or a dialog.
 * Speech input types keys by accident, so they can be turned off, per browser (WCAG 2.1.4).
 */

const STORED = "single-keys";
const CONTROLS = "input, select, textarea, [contenteditable], dialog";

let on = stored() !== "off";

function stored() {
  try {
    return localStorage.getItem(STORED);
  } catch {
    return null; // storage may be off: the shortcuts are on
  }
}

/** Whether shortcuts of single keys are on. */
export const singleKeysOn = () => on;

/** Turn them on or off, in all pages of this browser that are opened from now on. @param {boolean} choice */
export function turnSingleKeys(choice) {
  on = choice;
  try {
    localStorage.setItem(STORED, choice ? "on" : "off");
  } catch {
    // The choice lasts for this page.
  }
}

/** Whether a key may be a shortcut: nothing else wants it. @param {KeyboardEvent} event */
export function isShortcutKey(event) {
  if (!on || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return false;
  if (document.querySelector("dialog[open]")) return false;
  return !(event.target instanceof Element && event.target.closest(CONTROLS));
}
