/** Keys of a list: j and k or the arrows move from row to row; a page adds its own. */
import { isShortcutKey } from "./shortcuts.js";

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

/** Listen to the keys of the list. @param {Record<string, Action>} actions of the row in focus, by key */
export function onRowKeys(actions) {
  document.addEventListener("keydown", (event) => {
    if (!isShortcutKey(event)) return;
    const row = currentRow();
    if (event.key in STEPS && (row || event.key.length === 1)) {
      event.preventDefault();
      move(STEPS[event.key]);
    } else if (row && event.target === row && event.key in actions) {
      event.preventDefault();
      actions[event.key](row);
    }
  });
}
