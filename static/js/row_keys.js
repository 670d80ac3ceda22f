/** Keys of a list: j and k or the arrows move from row to row; a page adds its own. `/` goes to the search. */
import { findById } from "./page.js";

/** @typedef {(row: HTMLElement) => void} Action */

const rows = () => /** @type {HTMLElement[]} */ ([...document.querySelectorAll("#executions tr[data-id]")]);

/** Return the row that has the focus, or in which something has it. */
export function currentRow() {
  const row = document.activeElement?.closest("#executions tr[data-id]");
  return row instanceof HTMLElement ? row : null;
}

/** @param {number} step */
function move(step) {
  const all = rows();
  const row = currentRow();
  const next = row ? all[all.indexOf(row) + step] : all[0];
  if (!next) return;
  next.tabIndex = -1;
  next.focus();
  next.scrollIntoView({ block: "nearest" });
}

/** @type {Record<string, number>} */
const STEPS = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1 };

/** Whether a key belongs to a control or a dialog. @param {KeyboardEvent} event */
function isTaken(event) {
  const { target } = event;
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return true;
  return target instanceof Element && target.closest("input, select, textarea, [contenteditable]") !== null;
}

/** Listen to the keys of the list. @param {Record<string, Action>} actions of the row in focus, by key */
export function onRowKeys(actions) {
  document.addEventListener("keydown", (event) => {
    if (isTaken(event)) return;
    const row = currentRow();
    if (event.key === "/") {
      event.preventDefault();
      findById("id_q")?.focus();
    } else if (event.key in STEPS && (row || event.key.length === 1)) {
      event.preventDefault();
      move(STEPS[event.key]);
    } else if (row && event.target === row && event.key in actions) {
      event.preventDefault();
      actions[event.key](row);
    }
  });
}
