/** JSON data as a tree, a table or text, with search, paths, values and a download. */
import { write } from "./exact_json.js";
import { pathText, search } from "./json_paths.js";
import { itemsView, jsonView, lineOf, preview } from "./json_view.js";
import { element, icon, messageOf } from "./page.js";
import { tableView } from "./table_view.js";
import { copyAndTell, toast } from "./toast.js";
import { gettext, ngettext, number } from "./translations.js";

/** @import { Path } from "./json_paths.js" */
/** @typedef {"tree" | "table" | "json"} Form */
/** @typedef {(offset: number, limit: number) => Promise<unknown[]>} Load */
/**
 * @typedef {object} DataOptions
 * @property {string} label what the data is, such as "output"
 * @property {string} [root] how paths begin; items of a list begin with $json
 * @property {number} [total] of the items of a list, if not all are loaded
 * @property {Load} [load] loads further items
 */

const PAGE = 100;
const [LARGE_PAGE, MAX_DOWNLOAD] = [1000, 100_000]; // items
const MAX_LINES = 500; // items that the tree shows at first, however many are loaded
const MAX_JSON = 200_000; // characters that are shown
/** @type {[Form, string][]} */
const FORMS = [["tree", gettext("Tree")], ["table", gettext("Table")], ["json", "JSON"]];
/** @type {Form} chosen last, for all data of the page */
let form = "tree";
let views = 0;

export class DataView {
  #search = element("input", { type: "search", placeholder: gettext("Search"), class: "data-search" });
  #body = element("div", { class: "data-body" });
  #note = element("small", { class: "rest", role: "status" });
  #actions = element("span", { class: "line-actions" });
  #lines = MAX_LINES; // items that the tree shows

  /** @param {unknown} value @param {DataOptions} options */
  constructor(value, options) {
    this.value = value;
    this.options = options;
    this.#search.setAttribute("aria-label", gettext("Search in {data}", { data: options.label }));
    this.#search.addEventListener("input", () => this.#draw());
    this.root = element("div", { class: "data" }, this.#bar(), this.#body, this.#note);
    this.#fillActions();
    this.#body.addEventListener("mouseover", (event) => this.#showActions(event.target));
    this.#body.addEventListener("focusin", (event) => this.#showActions(event.target));
    this.#body.addEventListener("keydown", (event) => this.#moved(event));
    this.#draw();
  }

  get #isList() {
    return Array.isArray(this.value);
  }

  #bar() {
    const name = `form-${++views}`;
    const choices = FORMS.map(([id, label]) => {
      const input = element("input", { type: "radio", name, value: id });
      input.checked = id === form;
      input.addEventListener("change", () => {
        form = id;
        this.#draw();
      });
      return element("label", {}, input, element("span", {}, label));
    });
    const shown = { data: this.options.label };
    const legend = element("legend", {}, gettext("Show {data} as", shown));
    const copy = button("copy", gettext("Copy {data} as JSON", shown), () => {
      copyAndTell(write(this.value, 2));
    });
    const save = button("download", gettext("Download {data} as JSON", shown), () => this.#download(save));
    const forms = element("fieldset", { class: "segments small" }, legend, ...choices);
    return element("div", { class: "data-bar" }, forms, this.#search, copy, save);
  }

  #draw() {
    const text = this.#search.value.trim();
    const isTable = form === "table";
    if (text && !isTable) this.#drawFound(text);
    else if (isTable) this.#body.replaceChildren(tableView(this.value, text));
    else if (form === "json") this.#body.replaceChildren(jsonText(this.value));
    else {
      const { value } = this;
      this.#body.replaceChildren(Array.isArray(value) ? itemsView(value.slice(0, this.#lines)) : jsonView(value));
    }
    if (!text || isTable) this.#drawRest();
  }

  /** @param {string} text */
  #drawFound(text) {
    const found = search(this.value, text);
    const rows = found.map(({ path, value }) => {
      const row = element(
        "div",
        { class: "found" },
        element("b", {}, pathText("", path)),
        element("span", {}, preview(value)),
      );
      row.append(
        button("copy", gettext("Copy value"), () => copyAndTell(asText(value), gettext("Value copied."))),
        button("code", gettext("Copy path"), () => copyAndTell(this.#path(path), gettext("Path copied."))),
      );
      return row;
    });
    this.#body.replaceChildren(element("div", { class: "json" }, ...rows));
    this.#note.replaceChildren(
      found.length
        ? ngettext("{count} match", "{count} matches", found.length)
        : gettext("Nothing contains “{text}”.", { text }),
    );
  }

  #drawRest() {
    const { total = 0 } = this.options;
    this.#note.replaceChildren();
    if (!Array.isArray(this.value)) return;
    const { length } = this.value;
    const shown = form === "tree" ? Math.min(length, this.#lines) : length;
    const all = Math.max(total, length);
    if (all <= shown) return;
    this.#note.append(firstOf(shown, all));
    if (shown === length && !this.options.load) return;
    const more = element(
      "button",
      { type: "button", class: "small quiet" },
      gettext("Show {count} more", { count: PAGE }),
    );
    more.addEventListener("click", () => this.#more(more));
    this.#note.append(" ", more);
  }

  /** @param {HTMLButtonElement} more */
  async #more(more) {
    more.disabled = true;
    const length = Array.isArray(this.value) ? this.value.length : 0;
    try {
      if (form !== "tree" || this.#lines >= length) await this.#load(PAGE);
      this.#lines = Math.max(MAX_LINES, Math.min(this.#lines, length) + PAGE);
      this.#draw();
    } catch (error) {
      more.disabled = false;
      toast(gettext("Couldn't load more items: {error}", { error: messageOf(error) }), "failed");
    }
  }

  /** @param {number} limit */
  async #load(limit) {
    const items = /** @type {unknown[]} */ (this.value);
    const added = await this.options.load?.(items.length, limit) ?? [];
    this.value = [...items, ...added];
    return added.length;
  }

  /** @param {HTMLButtonElement} save */
  async #download(save) {
    const { total = 0, label } = this.options;
    save.disabled = true;
    try {
      while (Array.isArray(this.value) && this.value.length < Math.min(total, MAX_DOWNLOAD)) {
        if (!await this.#load(LARGE_PAGE)) break;
      }
      const url = URL.createObjectURL(new Blob([write(this.value, 2)], { type: "application/json" }));
      element("a", { href: url, download: `${label.replaceAll(/\W+/g, "-")}.json` }).click();
      setTimeout(() => URL.revokeObjectURL(url), 1000);
      if (total > MAX_DOWNLOAD) {
        const first = number(MAX_DOWNLOAD);
        toast(
          ngettext(
            "The download has the first {first} of {count} item.",
            "The download has the first {first} of {count} items.",
            total,
            { first },
          ),
        );
      }
    } catch (error) {
      toast(gettext("Couldn't download the {data}: {error}", { data: label, error: messageOf(error) }), "failed");
    }
    save.disabled = false;
    this.#draw();
  }

  #fillActions() {
    const at = () => lineOf(this.#actions);
    this.#actions.append(
      button("code", gettext("Copy path"), () => copyAndTell(this.#path(at()?.path ?? []), gettext("Path copied."))),
      button("copy", gettext("Copy value"), () => copyAndTell(asText(at()?.value), gettext("Value copied."))),
    );
  }

  /** Put the actions into the line under the pointer or the focus. @param {EventTarget | null} target */
  #showActions(target) {
    const line = target instanceof Element && !this.#actions.contains(target) ? lineOf(target)?.line : null;
    const place = line instanceof HTMLDetailsElement ? line.querySelector("summary") : line;
    if (place && this.#actions.parentElement !== place) place.append(this.#actions);
  }

  /** Move between the lines with the arrows. @param {KeyboardEvent} event */
  #moved(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || !(event.target instanceof Element) || !event.target.matches("summary, .line")) return;
    const lines = [...this.#body.querySelectorAll("summary, .line")].filter((line) => line.checkVisibility());
    const next = lines[lines.indexOf(event.target) + step];
    if (!(next instanceof HTMLElement)) return;
    event.preventDefault();
    next.focus();
  }

  /** @param {Path} path */
  #path(path) {
    return this.#isList ? pathText("$json", path.slice(1)) : pathText(this.options.root ?? "", path);
  }
}

/** @param {string} picture @param {string} label @param {() => void} onClick */
function button(picture, label, onClick) {
  const created = element("button", { type: "button", class: "icon-button small", "aria-label": label, title: label });
  created.append(icon(picture, 14));
  created.addEventListener("click", (event) => {
    event.preventDefault(); // inside a summary it would open or close it
    event.stopPropagation();
    onClick();
  });
  return created;
}

/** Say how many of the items are shown. @param {number} shown @param {number} all */
const firstOf = (shown, all) =>
  ngettext("First {shown} of {count} item", "First {shown} of {count} items", all, { shown: number(shown) });

/** @param {unknown} value */
const asText = (value) => (typeof value === "string" ? value : write(value, 2));

/** @param {unknown} value */
function jsonText(value) {
  const text = write(value, 2);
  const rest = text.length - MAX_JSON;
  const shown = element("pre", { class: "json-text", tabindex: "0" }, rest > 0 ? text.slice(0, MAX_JSON) : text);
  if (rest > 0) {
    const more = ngettext(
      "… {count} more character: download it to see all",
      "… {count} more characters: download it to see all",
      rest,
    );
    shown.append(element("small", {}, `\n${more}`));
  }
  return shown;
}
