/** A textarea for JSON with line numbers, marks, and a way from a node to its line. */
import { element } from "./page.js";

const escape = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

/** JSON that cannot be read; `line` counts from 1. */
export class NotJson extends Error {
  constructor(message, line) {
    super(message);
    this.line = line;
    this.errors = [];
  }
}

/** @param {string} text */
export function parse(text) {
  try {
    return JSON.parse(text);
  } catch (error) {
    const place = /position (\d+)/.exec(error.message);
    const line = place ? text.slice(0, Number(place[1])).split("\n").length : text.split("\n").length;
    throw new NotJson(`Line ${line} is not JSON: ${error.message.replace(/ in JSON at.*| \(line.*/, "")}.`, line);
  }
}

export class JsonEditor {
  /** @param {HTMLTextAreaElement} area @param {HTMLElement} gutter */
  constructor(area, gutter) {
    this.area = area;
    this.gutter = gutter;
    this.lines = 0;
    area.addEventListener("input", () => this.number());
    area.addEventListener("scroll", () => (gutter.scrollTop = area.scrollTop));
    area.addEventListener("keydown", (event) => event.key === "Enter" && !event.ctrlKey && !event.metaKey && this.indent(event));
  }

  get text() {
    return this.area.value;
  }

  /** @param {unknown} value */
  set(value) {
    this.area.value = JSON.stringify(value, null, 2);
    this.number();
  }

  format() {
    this.set(parse(this.text));
  }

  /** Begin a new line as far in as this one. */
  indent(event) {
    const before = this.text.slice(0, this.area.selectionStart);
    const indentation = /[ \t]*/.exec(before.slice(before.lastIndexOf("\n") + 1))[0];
    if (!indentation) return;
    event.preventDefault();
    document.execCommand("insertText", false, `\n${indentation}`); // keeps the undo history, as nothing newer does
  }

  number() {
    const count = this.text.split("\n").length;
    if (count === this.lines) return;
    this.lines = count;
    this.gutter.replaceChildren(...Array.from({ length: count }, (_, index) => element("span", {}, `${index + 1}\n`)));
    this.gutter.scrollTop = this.area.scrollTop;
  }

  /** Mark lines, counted from 1, and no others. @param {number[]} lines */
  mark(lines) {
    for (const marked of this.gutter.querySelectorAll(".marked")) marked.classList.remove("marked");
    for (const line of lines) this.gutter.children[line - 1]?.classList.add("marked");
  }

  /** Return the line of a node, or of one of its fields; null where it is not found.
   *  @param {string} node @param {string} [field] */
  lineOf(node, field = "") {
    const start = this.text.search(new RegExp(`"id"\\s*:\\s*${escape(JSON.stringify(node))}`));
    if (start < 0) return null;
    let place = start;
    const rest = this.text.slice(start + 4);
    const own = rest.slice(0, Math.max(0, rest.search(/"id"\s*:/)) || rest.length);
    const found = own.indexOf(JSON.stringify(field.split(".").at(-1)));
    if (field && found >= 0) place = start + 4 + found;
    return this.text.slice(0, place).split("\n").length;
  }

  /** Bring a line into view and put the cursor on it. */
  goTo(line) {
    const lines = this.text.split("\n");
    const start = lines.slice(0, line - 1).join("\n").length + (line > 1 ? 1 : 0);
    this.area.focus({ preventScroll: true });
    this.area.setSelectionRange(start, start + (lines[line - 1]?.length ?? 0));
    this.area.scrollTop = Math.max(0, (line - 4) * parseFloat(getComputedStyle(this.area).lineHeight));
  }
}
