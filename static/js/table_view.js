/** A list of objects as a table, and an object as a table of its fields. */
import { preview } from "./json_view.js";
import { element } from "./page.js";
import { gettext, ngettext } from "./translations.js";

const [MAX_ROWS, MAX_COLUMNS, CELL] = [500, 30, 80];

/** @param {unknown} value @returns {value is Record<string, unknown>} */
const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

/** @param {unknown} value */
const text = (value) => (value === undefined ? "" : typeof value === "string" ? value : preview(value, CELL));

/**
 * Return the rows that contain a text.
 * @param {unknown} value
 * @param {string} wanted
 */
export function tableView(value, wanted) {
  const rows = Array.isArray(value) ? value : Object.entries(isObject(value) ? value : { value });
  const isList = Array.isArray(value);
  const columns = isList ? columnsOf(rows) : [gettext("Field"), gettext("Value")];
  /** @param {any} row @param {number} index */
  const cells = (row, index) => {
    if (!isList) return [row[0], text(row[1])];
    return [
      String(index),
      ...columns.map((name) => text(isObject(row) ? row[name] : name === "value" ? row : undefined)),
    ];
  };
  const lowered = wanted.toLowerCase();
  const all = rows.map(cells).filter((row) => !wanted || row.some((cell) => cell.toLowerCase().includes(lowered)));
  const head = (isList ? ["#", ...columns] : columns).map((name) => element("th", { scope: "col" }, name));
  const body = all.slice(0, MAX_ROWS).map((row) =>
    element("tr", {}, ...row.map((cell) => element("td", { title: cell.slice(0, 500) }, cell.slice(0, 200))))
  );
  const table = element("table", {}, element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...body));
  const attributes = { class: "data-table", tabindex: "0", role: "group", "aria-label": gettext("Table") };
  const shown = element("div", attributes, table);
  if (!all.length) {
    const none = wanted ? gettext("No row contains “{text}”.", { text: wanted }) : gettext("No rows");
    shown.append(element("p", { class: "muted" }, none));
  }
  if (all.length > MAX_ROWS) {
    const first = ngettext("The first {count} row is shown.", "The first {count} rows are shown.", MAX_ROWS);
    shown.append(element("small", {}, first));
  }
  return shown;
}

/** Return the names of the fields of the first rows. @param {unknown[]} rows */
function columnsOf(rows) {
  const names = new Set();
  for (const row of rows.slice(0, MAX_ROWS)) {
    for (const name of isObject(row) ? Object.keys(row) : ["value"]) names.add(name);
    if (names.size >= MAX_COLUMNS) break;
  }
  return [...names].slice(0, MAX_COLUMNS);
}
