/** The list of shortcuts, which `?` opens. */
import { element } from "./page.js";
import { gettext } from "./translations.js";

/** @typedef {{name: string, rows: [string, string][]}} Part a part of the list: what a shortcut does, and its keys */

/** @type {Part[]} */
const BEFORE = [{
  name: gettext("Everywhere"),
  rows: [[gettext("Command palette"), "Ctrl+K"], [gettext("Search this page"), "/"], [gettext("This list"), "?"], [
    gettext("Close a dialog or menu"),
    "Esc",
  ]],
}];
/** @type {Part[]} */
const AFTER = [
  {
    name: gettext("List of executions"),
    rows: [[gettext("Next, previous row"), "j k"], [gettext("Open the row"), "Enter"], [
      gettext("Select the row"),
      "x",
    ]],
  },
  {
    name: gettext("Graph and timeline"),
    rows: [
      [gettext("Open the node in focus"), "Enter"],
      [gettext("Zoom in, out, fit"), "+ − 0"],
      [gettext("Move"), "← → ↑ ↓"],
      [gettext("Play or pause a replay"), "Space"],
    ],
  },
  {
    name: gettext("Workflow"),
    rows: [[gettext("Save the definition"), "Ctrl+S"], [gettext("Run, from the input"), "Ctrl+Enter"]],
  },
];

/** @param {string} keys a space separates keys; a plus, keys that are pressed together */
function keysView(keys) {
  return keys.split(" ").flatMap((key) => {
    const caps = key.length > 1 ? key.split("+") : [key];
    return [...caps.flatMap((cap, at) => (at ? ["+", element("kbd", {}, cap)] : [element("kbd", {}, cap)])), " "];
  });
}

/** @param {Part} part @param {number} index */
function partView({ name, rows }, index) {
  const id = `shortcuts-${index}`;
  const entries = rows.map(([words, keys]) =>
    element("div", {}, element("dt", {}, words), element("dd", {}, ...keysView(keys)))
  );
  return element("section", { "aria-labelledby": id }, element("h3", { id }, name), element("dl", {}, ...entries));
}

/**
 * Show the list.
 * @param {[string, string][]} pages the names of pages and the keys that open them
 * @param {boolean} on whether shortcuts of single keys are on
 * @param {(on: boolean) => void} onTurn
 */
export function openOverview(pages, on, onTurn) {
  const close = element("button", { class: "small quiet" }, gettext("Close"));
  const choice = element("input", { type: "checkbox", id: "single-keys" });
  choice.checked = on;
  choice.addEventListener("change", () => onTurn(choice.checked));
  const parts = [...BEFORE, { name: gettext("Go to"), rows: pages }, ...AFTER];
  const dialog = element(
    "dialog",
    { class: "shortcuts", "aria-labelledby": "shortcuts-title" },
    element(
      "div",
      { class: "card-head" },
      element("h2", { id: "shortcuts-title" }, gettext("Keyboard shortcuts")),
      element("form", { method: "dialog" }, close),
    ),
    element("div", { class: "card-body shortcut-groups" }, ...parts.map(partView)),
    element(
      "label",
      { class: "shortcuts-switch" },
      choice,
      gettext("Single-key shortcuts. Turn them off if you use speech input."),
    ),
  );
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  close.focus();
}
