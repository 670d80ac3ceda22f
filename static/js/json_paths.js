/** Paths in JSON values: as they are written in expressions, and what a search finds. */

const NAME = /^[A-Za-z_$][\w$]*$/;
const MAX_FOUND = 200;
const MAX_VISITED = 200_000;

/** @typedef {(string | number)[]} Path */
/** @typedef {{ path: Path, value: unknown }} Found */

/** Return a path as an expression has it: `$json.user["full name"][0]`. @param {string} root @param {Path} path */
export function pathText(root, path) {
  let text = root;
  for (const key of path) {
    if (typeof key === "string" && NAME.test(key)) text += text ? `.${key}` : key;
    else text += `[${JSON.stringify(key)}]`;
  }
  return text;
}

/**
 * Return the names and values in a JSON value that contain a text, in any case; at most MAX_FOUND.
 * @param {unknown} value
 * @param {string} text
 * @returns {Found[]}
 */
export function search(value, text) {
  const wanted = text.toLowerCase();
  /** @type {Found[]} */
  const found = [];
  let visited = 0;
  /** @param {unknown} inner @param {Path} path */
  const visit = (inner, path) => {
    if (found.length >= MAX_FOUND || ++visited > MAX_VISITED) return;
    const key = path.at(-1);
    const isBranch = inner !== null && typeof inner === "object";
    const named = typeof key === "string" && key.toLowerCase().includes(wanted);
    if (named || (!isBranch && String(inner).toLowerCase().includes(wanted))) found.push({ path, value: inner });
    if (!isBranch) return;
    for (const [name, child] of Object.entries(inner)) {
      visit(child, [...path, Array.isArray(inner) ? Number(name) : name]);
    }
  };
  visit(value, []);
  return found;
}
