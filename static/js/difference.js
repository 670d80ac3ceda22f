/** What differs between two definitions of a workflow. */
import { write } from "./exact_json.js";
import { element } from "./page.js";
import { gettext } from "./translations.js";

/**
 * @typedef {{name?: string, description?: string, nodes: any[], edges: any[], settings?: Record<string, any>}} Definition
 * @typedef {{path: string, before: unknown, after: unknown}} FieldChange undefined: the field is absent
 * @typedef {{kind: "added" | "removed" | "changed" | "moved", what: string, name: string, fields: FieldChange[]}} Change
 * @typedef {{sign: " " | "+" | "-", text: string}} Line
 */

const MAX_LINES = 2000; // of each text: more are shown as a whole
const CONTEXT = 2; // equal lines around a change

/** @type {Record<Change["kind"], string>} */
const KINDS = {
  added: gettext("added"),
  removed: gettext("removed"),
  changed: gettext("changed"),
  moved: gettext("moved"),
};
/** @type {Record<string, string>} */
const SUBJECTS = {
  node: gettext("node"),
  edge: gettext("edge"),
  settings: gettext("settings"),
  workflow: gettext("workflow"),
};

/** @param {unknown} value @returns {value is Record<string, unknown>} */
const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

/** @param {unknown} left @param {unknown} right */
const same = (left, right) => write(left) === write(right);

/**
 * Yield the fields that differ, as deep as both sides are objects.
 * @param {unknown} before
 * @param {unknown} after
 * @param {string} [path]
 * @returns {Generator<FieldChange>}
 */
function* fieldChanges(before, after, path = "") {
  if (isObject(before) && isObject(after)) {
    for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
      yield* fieldChanges(before[key], after[key], path ? `${path}.${key}` : key);
    }
  } else if (!same(before, after)) yield { path, before, after };
}

/** @param {Definition} definition */
const nodesById = (definition) => new Map(definition.nodes.map((node) => [node.id, node]));

/** @param {Definition} definition */
function edgesByName(definition) {
  const names = new Map(definition.nodes.map((node) => [node.id, node.name || node.id]));
  return new Set(definition.edges.map((edge) => {
    const output = edge.source_output && edge.source_output !== "main" ? ` (${edge.source_output})` : "";
    const input = edge.target_input && edge.target_input !== "main" ? ` (${edge.target_input})` : "";
    return `${names.get(edge.source) ?? edge.source}${output} → ${names.get(edge.target) ?? edge.target}${input}`;
  }));
}

/** @param {any} before @param {any} after @returns {Change | null} */
function nodeChange(before, after) {
  const name = (after ?? before).name || (after ?? before).id;
  if (!before) return { kind: "added", what: "node", name, fields: [] };
  if (!after) return { kind: "removed", what: "node", name, fields: [] };
  const changes = [...fieldChanges(before, after)];
  const fields = changes.filter((change) => change.path !== "position");
  if (fields.length) return { kind: "changed", what: "node", name, fields };
  return changes.length ? { kind: "moved", what: "node", name, fields } : null;
}

/**
 * Return what differs: nodes, edges, settings, name and description.
 * @param {Definition} before
 * @param {Definition} after
 * @returns {Change[]}
 */
export function differences(before, after) {
  /** @type {(Change | null)[]} */
  const found = [];
  const [old, now] = [nodesById(before), nodesById(after)];
  for (const id of new Set([...now.keys(), ...old.keys()])) found.push(nodeChange(old.get(id), now.get(id)));
  const [oldEdges, edges] = [edgesByName(before), edgesByName(after)];
  for (const name of edges) if (!oldEdges.has(name)) found.push({ kind: "added", what: "edge", name, fields: [] });
  for (const name of oldEdges) if (!edges.has(name)) found.push({ kind: "removed", what: "edge", name, fields: [] });
  const texts = ["name", "description"].filter((key) => key in before && key in after);
  const own = (/** @type {any} */ definition) => Object.fromEntries(texts.map((key) => [key, definition[key]]));
  for (
    const [what, fields] of /** @type {[string, FieldChange[]][]} */ ([
      ["settings", [...fieldChanges(before.settings ?? {}, after.settings ?? {})]],
      ["workflow", [...fieldChanges(own(before), own(after))]],
    ])
  ) if (fields.length) found.push({ kind: "changed", what, name: "", fields });
  return found.filter((change) => change !== null);
}

/**
 * Return the lines of both texts, marked as added, removed or equal: the longest common subsequence stays.
 * @param {string[]} before
 * @param {string[]} after
 * @returns {Line[]}
 */
export function lineChanges(before, after) {
  const lengths = Array.from({ length: before.length + 1 }, () => new Uint16Array(after.length + 1));
  for (let i = before.length - 1; i >= 0; i--) {
    for (let j = after.length - 1; j >= 0; j--) {
      lengths[i][j] = before[i] === after[j]
        ? lengths[i + 1][j + 1] + 1
        : Math.max(lengths[i + 1][j], lengths[i][j + 1]);
    }
  }
  /** @type {Line[]} */
  const lines = [];
  let [i, j] = [0, 0];
  while (i < before.length || j < after.length) {
    if (i < before.length && j < after.length && before[i] === after[j]) {
      lines.push({ sign: " ", text: before[i++] });
      j++;
    } else if (i < before.length && (j === after.length || lengths[i + 1][j] >= lengths[i][j + 1])) {
      lines.push({ sign: "-", text: before[i++] });
    } else lines.push({ sign: "+", text: after[j++] });
  }
  return lines;
}

/** @param {unknown} value */
function linesOf(value) {
  if (value === undefined) return [];
  return (typeof value === "string" ? value : write(value, 2)).split("\n");
}

/** @param {FieldChange} change */
function fieldElement(change) {
  const [before, after] = [linesOf(change.before), linesOf(change.after)];
  /** @type {Line[]} */
  const lines = Math.max(before.length, after.length) > MAX_LINES
    ? [
      ...before.map((text) => /** @type {Line} */ ({ sign: "-", text })),
      ...after.map((text) => /** @type {Line} */ ({ sign: "+", text })),
    ]
    : lineChanges(before, after);
  const near = lines.map((_, index) =>
    lines.slice(Math.max(0, index - CONTEXT), index + CONTEXT + 1).some((line) => line.sign !== " ")
  );
  const shown = lines.flatMap((line, index) => {
    if (!near[index]) return near[index - 1] ? [element("span", { class: "gap" }, "⋯\n")] : [];
    const tag = line.sign === "+" ? "ins" : line.sign === "-" ? "del" : "span";
    return [element(tag, {}, `${line.sign} ${line.text}\n`)];
  });
  return element("div", { class: "field-change" }, element("code", {}, change.path), element("pre", {}, ...shown));
}

/** Show differences in an element. @param {HTMLElement} place @param {Change[]} changes */
export function showDifferences(place, changes) {
  if (!changes.length) {
    place.replaceChildren(element("p", { class: "empty" }, gettext("The definitions are the same.")));
    return;
  }
  place.replaceChildren(...changes.map((change) =>
    element(
      "section",
      { class: "change", "data-kind": change.kind },
      element(
        "h3",
        {},
        element("span", { class: "tag" }, KINDS[change.kind]),
        ` ${SUBJECTS[change.what]} `,
        element("b", {}, change.name),
      ),
      ...change.fields.map(fieldElement),
    )
  ));
}
