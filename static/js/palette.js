/**
 * The command palette: a text field and the list of what it matches. The focus stays in the field; the option that Enter
 * opens is its `aria-activedescendant` (ARIA Authoring Practices, combobox with a list). What this page knows is shown at
 * once, what the server finds follows.
 */
import { NO_MATCH, rank } from "./matching.js";
import { byId, closest, element, findById, messageOf } from "./page.js";
import { foundEntries, GROUPS, ICON_FILE, localEntries, recentKeys, remember } from "./palette_entries.js";
import { toast } from "./toast.js";
import { gettext, ngettext } from "./translations.js";

/** @import { Entry } from "./palette_entries.js" */
/** @typedef {{name: string, entries: Entry[]}} Group */

const PAUSE = 120; // ms without a keystroke before the server is asked
const MOST_RECENT = 6; // entries before anything is typed
const ORDER = [...GROUPS.keys()];
const RECENT = "recent";

/** @param {string} group */
const nameOf = (group) => group === RECENT ? gettext("Recent") : GROUPS.get(group) ?? group;

/** Return the entries that match, in groups, the best first. @param {Entry[]} entries @param {string} typed */
function grouped(entries, typed) {
  const recent = recentKeys();
  /** @param {Entry} entry */
  const age = ({ key }) => (recent.includes(key) ? recent.indexOf(key) : recent.length);
  /** @type {{group: string, entry: Entry, rank: number}[]} */
  const found = [];
  for (const entry of entries) {
    const { group, title } = entry;
    if (!typed) found.push({ group, entry, rank: ORDER.indexOf(group) });
    else if (group === "execution") found.push({ group, entry, rank: 0 }); // found by their ids
    else if (rank(title, typed) !== NO_MATCH) found.push({ group, entry, rank: rank(title, typed) });
  }
  if (!typed) {
    const latest = found.filter(({ entry }) => recent.includes(entry.key)).sort((a, b) => age(a.entry) - age(b.entry));
    for (const each of latest.slice(0, MOST_RECENT)) Object.assign(each, { group: RECENT, rank: -1 });
  }
  found.sort((a, b) => a.rank - b.rank || age(a.entry) - age(b.entry));
  /** @type {Map<string, Group>} a group stands where its best entry does */
  const groups = new Map();
  for (const { group, entry } of found) {
    if (!groups.has(group)) groups.set(group, { name: nameOf(group), entries: [] });
    groups.get(group)?.entries.push(entry);
  }
  return [...groups.values()];
}

/** @param {string} name */
function pictureOf(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  for (const [key, value] of [["class", "icon"], ["aria-hidden", "true"], ["width", "16"], ["height", "16"]]) {
    svg.setAttribute(key, value);
  }
  use.setAttribute("href", `${ICON_FILE}#${name}`);
  svg.append(use);
  return svg;
}

/** @param {string} words @param {string[]} keys */
const hint = (words, ...keys) => element("span", {}, ...keys.flatMap((key) => [element("kbd", {}, key), " "]), words);

class Palette {
  #input = element("input", {
    role: "combobox",
    "aria-label": gettext("Search, or type a command"),
    "aria-autocomplete": "list",
    "aria-expanded": "true",
    "aria-controls": "palette-list",
    placeholder: gettext("Workflow, execution id, endpoint or command"),
    maxlength: "100",
    autocomplete: "off",
    autocapitalize: "none",
    spellcheck: "false",
  });
  #list = element("div", {
    role: "listbox",
    id: "palette-list",
    class: "palette-list",
    "aria-label": gettext("Results"),
  });
  #state = element("p", { class: "palette-state", id: "palette-state", role: "status" });
  #close = element("button", { type: "button", class: "small quiet" }, gettext("Close"));
  #dialog = element(
    "dialog",
    { id: "palette", class: "palette", "aria-label": gettext("Command palette") },
    element("div", { class: "palette-head" }, pictureOf("search"), this.#input, this.#close),
    this.#list,
    element(
      "p",
      { class: "palette-foot", "aria-hidden": "true" },
      hint(gettext("choose"), "↑", "↓"),
      hint(gettext("open"), "Enter"),
      hint(gettext("open in a new tab"), "Ctrl", "Enter"),
      hint(gettext("close"), "Esc"),
    ),
    this.#state,
  );
  /** @type {Entry[]} of this page */
  #local = [];
  /** @type {Entry[]} from the server */
  #found = [];
  /** @type {Entry[]} as the list shows them */
  #shown = [];
  #at = 0;
  #asked = 0;
  #timer = 0;

  constructor() {
    this.#input.addEventListener("input", () => this.#typed());
    this.#input.addEventListener("keydown", (event) => this.#key(event));
    this.#list.addEventListener("pointermove", (event) => this.#mark(this.#indexOf(event), false));
    this.#list.addEventListener("pointerdown", (event) => event.preventDefault()); // the field keeps the focus
    this.#list.addEventListener("click", (event) => this.#choose(this.#indexOf(event), event.ctrlKey || event.metaKey));
    this.#dialog.addEventListener("click", ({ target }) => target === this.#dialog && this.#dialog.close());
    this.#close.addEventListener("click", () => this.#dialog.close());
    document.body.append(this.#dialog);
  }

  open() {
    this.#input.value = "";
    this.#local = localEntries();
    this.#found = [];
    this.#dialog.showModal();
    this.#input.focus();
    this.#typed();
  }

  #typed() {
    clearTimeout(this.#timer);
    const typed = this.#input.value.trim();
    this.#show();
    this.#mark(0, true);
    this.#timer = setTimeout(() => this.#ask(typed), typed ? PAUSE : 0);
  }

  /** Ask the server. The answer to an earlier text is dropped. @param {string} typed */
  async #ask(typed) {
    const number = ++this.#asked;
    try {
      const found = await foundEntries(typed);
      if (number !== this.#asked) return;
      const chosen = this.#shown[this.#at]?.key;
      this.#found = found;
      this.#show();
      const same = this.#at > 0 ? this.#shown.findIndex(({ key }) => key === chosen) : 0; // what was chosen stays chosen
      this.#mark(Math.max(0, same), true);
    } catch (error) {
      if (number === this.#asked) {
        this.#state.textContent = gettext("The search failed: {problem}", { problem: messageOf(error) });
      }
    }
  }

  #show() {
    const typed = this.#input.value.trim();
    const groups = grouped([...this.#local, ...this.#found], typed);
    this.#shown = groups.flatMap(({ entries }) => entries);
    let index = 0;
    this.#list.replaceChildren(...groups.map(({ name, entries }, at) =>
      element(
        "div",
        { role: "group", "aria-labelledby": `palette-group-${at}` },
        element("div", { class: "palette-group", role: "presentation", id: `palette-group-${at}` }, name),
        ...entries.map((entry) => this.#option(entry, index++)),
      )
    ));
    const count = this.#shown.length;
    this.#state.textContent = count ? ngettext("{count} result", "{count} results", count) : gettext(
      "Nothing matches “{typed}”. Executions are found by the first 8 characters of their id.",
      { typed },
    );
    this.#dialog.classList.toggle("palette-empty", !count);
  }

  /** @param {Entry} entry @param {number} index */
  #option({ title, detail, icon, keys }, index) {
    const option = element(
      "div",
      { role: "option", id: `palette-option-${index}`, "data-index": String(index), "aria-selected": "false" },
      pictureOf(icon),
      element("span", { class: "palette-title" }, title),
      element("small", { class: "clip" }, detail),
    );
    if (keys) option.append(element("span", {}, ...keys.split(" ").map((key) => element("kbd", {}, key))));
    return option;
  }

  /** @param {number} index @param {boolean} scroll */
  #mark(index, scroll) {
    if (!this.#shown[index]) return this.#input.removeAttribute("aria-activedescendant");
    findById(`palette-option-${this.#at}`)?.setAttribute("aria-selected", "false");
    this.#at = index;
    const option = byId(`palette-option-${index}`);
    option.setAttribute("aria-selected", "true");
    this.#input.setAttribute("aria-activedescendant", option.id);
    if (scroll) option.scrollIntoView({ block: "nearest" });
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const { length } = this.#shown;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && length) this.#mark((this.#at + step + length) % length, true);
    else if (event.key === "Enter" && !event.isComposing) this.#choose(this.#at, event.ctrlKey || event.metaKey);
    else return;
    event.preventDefault();
  }

  /** @param {Event} event */
  #indexOf(event) {
    return Number(closest(event, "[data-index]")?.dataset.index ?? -1);
  }

  /** @param {number} index @param {boolean} newTab */
  async #choose(index, newTab) {
    const entry = this.#shown[index];
    if (!entry) return;
    remember(entry);
    this.#dialog.close(); // the focus returns to where it was: a command may move it
    if (entry.href && newTab) open(entry.href, "_blank", "noopener");
    else if (entry.href) location.assign(entry.href);
    try {
      await entry.act?.();
    } catch (error) {
      toast(messageOf(error), "failed");
    }
  }
}

export const palette = new Palette();
