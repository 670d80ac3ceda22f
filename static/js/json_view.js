/** JSON as a tree that opens and closes, with colours. What is large is drawn when it is opened, and says what it leaves out. */
import { element } from "./page.js";

const LONGEST_TEXT = 2000;
const MOST_CHILDREN = 200;
const PREVIEW = 120; // characters
const SMALL = 12; // lines: what is open at once inside something that is opened
const LINES_OPEN = 40; // of a list, what is open at first

const isBranch = (value) => value !== null && typeof value === "object" && Object.keys(value).length > 0;

function scalar(value) {
  if (typeof value !== "string") return element("span", { class: value === null ? "null" : typeof value }, JSON.stringify(value));
  const rest = value.length - LONGEST_TEXT;
  const shown = element("span", { class: "string" }, JSON.stringify(rest > 0 ? value.slice(0, LONGEST_TEXT) : value));
  if (rest > 0) shown.append(element("small", {}, ` … ${rest.toLocaleString("en")} more characters`));
  return shown;
}

/** Return a value in a line, cut. Does not walk through what is not shown. */
export function preview(value, length = PREVIEW) {
  if (typeof value === "string") return JSON.stringify(value.length > length ? `${value.slice(0, length)}…` : value);
  if (!isBranch(value)) return JSON.stringify(value);
  const [opening, closing] = Array.isArray(value) ? "[]" : "{}";
  let text = opening;
  for (const [key, child] of Object.entries(value)) {
    if (text.length > 1) text += ", ";
    if (text.length > length) return `${text}…${closing}`;
    text += `${Array.isArray(value) ? "" : `${key}: `}${preview(child, Math.max(8, length - text.length))}`;
  }
  return text + closing;
}

function named(key) {
  return [element("span", { class: typeof key === "number" ? "index" : "key" }, String(key)), ": "];
}

/** @param {string | number} key @param {any} value @param {boolean} open */
function line(key, value, open) {
  if (!isBranch(value)) return element("div", { class: "line" }, ...named(key), scalar(value));
  const made = element("details", {}, element("summary", {}, ...named(key), element("span", { class: "preview" }, preview(value))));
  const fill = () => made.append(element("div", { class: "nest" }, ...childLines(value)));
  if (open) {
    fill();
    made.open = true;
  } else made.addEventListener("toggle", fill, { once: true });
  return made;
}

/** Return how many lines a value takes when it is open; where it is many, just that. */
function lines(value, enough = 100) {
  if (!isBranch(value)) return 1;
  let count = 1;
  for (const child of Object.values(value)) {
    count += lines(child, enough - count);
    if (count > enough) break;
  }
  return count;
}

function childLines(value) {
  const children = Object.entries(value);
  const asKey = (name) => (Array.isArray(value) ? Number(name) : name);
  const made = children.slice(0, MOST_CHILDREN).map(([name, child]) => line(asKey(name), child, lines(child) < SMALL));
  const rest = children.length - MOST_CHILDREN;
  return rest > 0 ? [...made, element("small", {}, `… ${rest.toLocaleString("en")} more`)] : made;
}

/** What an object or a list holds, a line each. @param {any} value */
export function jsonView(value) {
  return element("div", { class: "json" }, ...(isBranch(value) ? childLines(value) : [scalar(value)]));
}

/** A list of items, the first ones open. @param {any[]} items */
export function itemsView(items) {
  let shown = 0;
  return element("div", { class: "json" }, ...items.map((item, index) => {
    const open = shown === 0 || shown + lines(item) <= LINES_OPEN;
    shown += open ? lines(item) : 0;
    return line(index, item, open);
  }));
}
