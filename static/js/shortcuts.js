/**
 * The shortcuts of every page: Ctrl-K (Cmd-K) opens the command palette, `?` the list of shortcuts, `/` goes to the
 * search of the page, and `g` with a letter opens a page. The pages and their letters are in the template of the palette.
 *
 * Single keys never act while the keyboard belongs to a control or a dialog. Speech input types keys by accident, so they
 * can be turned off, per browser (WCAG 2.1.4).
 */
const PAUSE = 1500; // ms between the two keys of a sequence
const STORED = "single-keys";
const CONTROLS = "input, select, textarea, [contenteditable], dialog";

const pages = /** @type {HTMLTemplateElement} */ (document.getElementById("palette-entries")).content;

/** @type {Map<string, HTMLAnchorElement>} by the letter after g */
const letters = new Map();
for (const link of /** @type {NodeListOf<HTMLAnchorElement>} */ (pages.querySelectorAll("a[data-keys]"))) {
  letters.set((link.dataset.keys ?? "").slice(-1), link);
}

let sequenceUntil = 0;
let on = stored() !== "off";

function stored() {
  try {
    return localStorage.getItem(STORED);
  } catch {
    return null; // storage may be off: the shortcuts are on
  }
}

/** Turn the single keys on or off, in all pages of this browser that are opened from now on. @param {boolean} choice */
function turnSingleKeys(choice) {
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

/** Load the palette when it is wanted, and open it. */
async function openPalette() {
  const { palette } = await import("./palette.js");
  if (!document.querySelector("dialog[open]")) palette.open();
}

/** Load the list of shortcuts when it is wanted, and open it. */
async function openOverview() {
  const { openOverview: show } = await import("./shortcut_overview.js");
  if (document.querySelector("dialog[open]")) return;
  show([...letters].map(([letter, { text }]) => [text, `g ${letter}`]), on, turnSingleKeys);
}

/** Go to the search of the page; a page without one has the palette. */
function search() {
  const fields = /** @type {NodeListOf<HTMLInputElement>} */ (document.querySelectorAll("main input[type=search]"));
  const field = [...fields].find((each) => each.checkVisibility());
  if (!field) return openPalette();
  field.focus();
  field.select();
}

/** @param {string} key @returns {boolean} whether it is a shortcut */
function act(key) {
  const link = performance.now() < sequenceUntil ? letters.get(key) : undefined;
  sequenceUntil = key === "g" && !link ? performance.now() + PAUSE : 0;
  if (link) location.assign(link.href);
  else if (key === "?") openOverview();
  else if (key === "/") search();
  else return key === "g";
  return true;
}

// While the key goes down: before a page's own keys, which do not see what is prevented here.
document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && event.key.toLowerCase() === "k") {
    event.preventDefault(); // the browser's search
    openPalette();
  } else if (isShortcutKey(event) && act(event.key)) {
    event.preventDefault();
  }
}, true);
document.getElementById("palette-open")?.addEventListener("click", openPalette);
document.getElementById("shortcuts-open")?.addEventListener("click", openOverview);
