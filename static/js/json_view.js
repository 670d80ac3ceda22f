/** JSON as a coloured tree. Large values are drawn when they are opened; cut ones say how much is missing. */
import { write } from "./exact_json.js";
import { element } from "./page.js";
import { ngettext } from "./translations.js";

/** @import { Path } from "./json_paths.js" */
/** @type {WeakMap<Element, { key: string | number, value: unknown }>} what a line shows */
const shown = new WeakMap();

const MAX_TEXT = 2000; // characters
const MAX_CHILDREN = 200;
const PREVIEW = 120; // characters
const SMALL = 12; // lines: smaller children are open when their parent is opened
const LINES_OPEN = 40; // of a list, the lines that are open at first

/** @param {unknown} value @returns {value is Record<string, unknown> | unknown[]} */
const isBranch = (value) => value !== null && typeof value === "object" && Object.keys(value).length > 0;

/** Return the kind of a value that is no text, as a class. @param {unknown} value */
const kindOf = (value) => value === null ? "null" : typeof value === "bigint" ? "number" : typeof value;

/** @param {unknown} value */
function scalar(value) {
  if (typeof value !== "string") {
    return element("span", { class: kindOf(value) }, write(value));
  }
  const rest = value.length - MAX_TEXT;
  const text = element("span", { class: "string" }, JSON.stringify(rest > 0 ? value.slice(0, MAX_TEXT) : value));
  if (rest > 0) {
    const more = ngettext("… {count} more character", "… {count} more characters", rest);
    text.append(element("small", {}, ` ${more}`));
  }
  return text;
}

/**
 * Return a value in one line, cut. Does not walk through what it leaves out.
 * @param {unknown} value
 * @param {number} [length]
 * @returns {string}
 */
export function preview(value, length = PREVIEW) {
  if (typeof value === "string") return JSON.stringify(value.length > length ? `${value.slice(0, length)}…` : value);
  if (!isBranch(value)) return write(value);
  const [opening, closing] = Array.isArray(value) ? "[]" : "{}";
  let text = opening;
  for (const [key, child] of Object.entries(value)) {
    if (text.length > 1) text += ", ";
    if (text.length > length) return `${text}…${closing}`;
    text += `${Array.isArray(value) ? "" : `${key}: `}${preview(child, Math.max(8, length - text.length))}`;
  }
  return text + closing;
}

/** @param {string | number} key */
const label = (key) => [element("span", { class: typeof key === "number" ? "index" : "key" }, String(key)), ": "];

/** @param {string | number} key @param {unknown} value @param {boolean} open */
function line(key, value, open) {
  const created = isBranch(value)
    ? branch(key, value, open)
    : element("div", { class: "line", tabindex: "-1" }, ...label(key), scalar(value));
  shown.set(created, { key, value });
  return created;
}

/** @param {string | number} key @param {Record<string, unknown> | unknown[]} value @param {boolean} open */
function branch(key, value, open) {
  const summary = element("summary", {}, ...label(key), element("span", { class: "preview" }, preview(value)));
  const details = element("details", {}, summary);
  const fill = () => details.append(element("div", { class: "nest" }, ...childLines(value)));
  if (open) {
    fill();
    details.open = true;
  } else details.addEventListener("toggle", fill, { once: true });
  return details;
}

/**
 * Count the lines of an open value. Stops when there are more than `enough`.
 * @param {unknown} value
 * @param {number} [enough]
 */
function lines(value, enough = 100) {
  if (!isBranch(value)) return 1;
  let count = 1;
  for (const child of Object.values(value)) {
    count += lines(child, enough - count);
    if (count > enough) break;
  }
  return count;
}

/** @param {Record<string, unknown> | unknown[]} value */
function childLines(value) {
  const children = Object.entries(value);
  /** @type {HTMLElement[]} */
  const drawn = children.slice(0, MAX_CHILDREN).map(([name, child]) =>
    line(Array.isArray(value) ? Number(name) : name, child, lines(child) < SMALL)
  );
  const rest = children.length - MAX_CHILDREN;
  return rest > 0 ? [...drawn, element("small", {}, ngettext("… {count} more", "… {count} more", rest))] : drawn;
}

/**
 * Return the line that an element is in, with its path and value; null if it is in none.
 * @param {Element} inside
 * @returns {{ line: Element, path: Path, value: unknown } | null}
 */
export function lineOf(inside) {
  const found = inside.closest(".json details, .json .line");
  const known = found && shown.get(found);
  if (!found || !known) return null;
  /** @type {Path} */
  const path = [];
  for (
    let at = /** @type {Element | null | undefined} */ (found);
    at;
    at = at.parentElement?.closest(".json details")
  ) {
    const each = shown.get(at);
    if (each) path.unshift(each.key);
  }
  return { line: found, path, value: known.value };
}

/** Return the content of an object or a list, one line each. @param {unknown} value */
export function jsonView(value) {
  return element("div", { class: "json" }, ...(isBranch(value) ? childLines(value) : [scalar(value)]));
}

/** Return a list of items, the first ones open, numbered from `first`. @param {unknown[]} items @param {number} [first] */
export function itemsView(items, first = 0) {
  let drawn = 0;
  return element(
    "div",
    { class: "json" },
    ...items.map((item, index) => {
      const open = drawn === 0 || drawn + lines(item) <= LINES_OPEN;
      drawn += open ? lines(item) : 0;
      return line(first + index, item, open);
    }),
  );
}
