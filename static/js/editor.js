/** A textarea for JSON with line numbers, marked lines, and a way from a node to its line. */
import { read, write } from "./exact_json.js";
import { element, messageOf } from "./page.js";
import { gettext } from "./translations.js";

/** @param {string} text */
const escape = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

/** A text that is not JSON; `line` counts from 1. */
export class InvalidJson extends Error {
  /** @param {string} message @param {number} line */
  constructor(message, line) {
    super(message);
    this.line = line;
  }
}

/** Parse JSON. Throws InvalidJson. @param {string} text */
export function parse(text) {
  try {
    return read(text);
  } catch (error) {
    const message = messageOf(error);
    const position = /position (\d+)/.exec(message);
    const line = (position ? text.slice(0, Number(position[1])) : text).split("\n").length;
    const reason = message.replace(/ in JSON at.*| \(line.*/, "");
    throw new InvalidJson(gettext("Line {line} is not JSON: {reason}.", { line, reason }), line);
  }
}

export class JsonEditor {
  #lines = 0;

  /** @param {HTMLTextAreaElement} area @param {HTMLElement} gutter */
  constructor(area, gutter) {
    this.area = area;
    this.gutter = gutter;
    area.addEventListener("input", () => this.#number());
    area.addEventListener("scroll", () => (gutter.scrollTop = area.scrollTop));
    area.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.ctrlKey && !event.metaKey) this.#indent(event);
    });
  }

  get text() {
    return this.area.value;
  }

  /** @param {unknown} value */
  set(value) {
    this.area.value = write(value, 2);
    this.#number();
  }

  format() {
    this.set(parse(this.text));
  }

  /** Start a new line with the indentation of this one. @param {KeyboardEvent} event */
  #indent(event) {
    const before = this.text.slice(0, this.area.selectionStart);
    const [indentation] = /[ \t]*/.exec(before.slice(before.lastIndexOf("\n") + 1)) ?? [""];
    if (!indentation) return;
    event.preventDefault();
    document.execCommand("insertText", false, `\n${indentation}`); // the only way that keeps the undo history
  }

  #number() {
    const count = this.text.split("\n").length;
    if (count === this.#lines) return;
    this.#lines = count;
    this.gutter.replaceChildren(
      ...Array.from({ length: count }, (_, index) => element("span", {}, `${index + 1}\n`)),
    );
    this.gutter.scrollTop = this.area.scrollTop;
  }

  /** Mark these lines, counted from 1, and no others. @param {number[]} lines */
  mark(lines) {
    for (const marked of this.gutter.querySelectorAll(".marked")) marked.classList.remove("marked");
    for (const line of lines) this.gutter.children[line - 1]?.classList.add("marked");
  }

  /**
   * Return the line of a node, or of one of its fields; null if the text does not have the node.
   * @param {string} node
   * @param {string} [field]
   */
  lineOf(node, field = "") {
    const start = this.text.search(new RegExp(`"id"\\s*:\\s*${escape(JSON.stringify(node))}`));
    if (start < 0) return null;
    const rest = this.text.slice(start + 4);
    const own = rest.slice(0, Math.max(0, rest.search(/"id"\s*:/)) || rest.length);
    const offset = own.indexOf(JSON.stringify(field.split(".").at(-1)));
    const position = field && offset >= 0 ? start + 4 + offset : start;
    return this.text.slice(0, position).split("\n").length;
  }

  /** Scroll to a line and select it. @param {number} line */
  goTo(line) {
    const lines = this.text.split("\n");
    const start = lines.slice(0, line - 1).join("\n").length + (line > 1 ? 1 : 0);
    this.area.focus({ preventScroll: true });
    this.area.setSelectionRange(start, start + (lines[line - 1]?.length ?? 0));
    this.area.scrollTop = Math.max(0, (line - 4) * parseFloat(getComputedStyle(this.area).lineHeight));
  }
}
