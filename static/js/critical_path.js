/** The critical path of an execution: what it waited for, by kind and by node run, and what could have taken longer. */
import { data, duration, element, fetchJson, messageOf } from "./page.js";
import { gettext, textWith } from "./translations.js";

/** @typedef {{kind: string, ms: number, node?: string, run_index?: number, wait?: string, segments?: number}} Segment */
/** @typedef {{wall_ms: number, segments: Segment[], totals: Record<string, number>, slack: Record<string, number>}} Path */

const MOST_ROWS = 12;

/** @type {Record<string, string>} in the order in which they are shown */
const KINDS = {
  run: gettext("running"),
  wait: gettext("waiting for an event"),
  retry_delay: gettext("retry delay"),
  turn: gettext("worker busy"),
  queue: gettext("waiting for a worker"),
  admission: gettext("held back by a limit"),
  paused: gettext("paused"),
  recovery: gettext("recovering from a lost worker"),
};

/** @type {Record<string, string>} */
const WAITS = {
  time: gettext("waiting for a time"),
  webhook: gettext("waiting for a call"),
  approval: gettext("waiting for a decision"),
  execution: gettext("waiting for another execution"),
  delivery: gettext("waiting for a delivery"),
};

/**
 * Load and show it.
 * @param {HTMLElement} root
 * @param {Map<string, string>} names of the nodes
 * @param {(node: string, runIndex?: number) => void} onChoose
 */
export async function showCriticalPath(root, names, onChoose) {
  try {
    const path = /** @type {Path} */ (await fetchJson(`/api/executions/${data.execution}/critical-path/`));
    root.replaceChildren(bar(path), legend(path), rows(path, names, onChoose), ...spare(path, names));
  } catch (error) {
    root.replaceChildren(element("p", { class: "notice", "data-status": "failed" }, messageOf(error)));
  }
}

/** @param {Path} path */
const kindsOf = (path) => Object.keys(KINDS).filter((kind) => path.totals[kind] > 0);

/** @param {number} part @param {number} whole */
const share = (part, whole) => gettext("{percent}%", { percent: Math.round((part / (whole || 1)) * 100) });

/** @param {Path} path */
function bar(path) {
  const drawn = element("div", { class: "path-bar", "aria-hidden": "true" });
  for (const kind of kindsOf(path)) {
    const part = element("i", { "data-kind": kind });
    part.style.flexGrow = String(path.totals[kind]);
    drawn.append(part);
  }
  return drawn;
}

/** @param {Path} path */
function legend(path) {
  const terms = kindsOf(path).map((kind) =>
    element(
      "li",
      { "data-kind": kind },
      KINDS[kind],
      " ",
      element("b", {}, duration(path.totals[kind])),
      " ",
      element("small", {}, share(path.totals[kind], path.wall_ms)),
    )
  );
  return element("ul", { class: "path-legend" }, ...terms);
}

/** The longest segments, those of a node and a kind together. @param {Path} path @param {Map<string, string>} names
 *  @param {(node: string, runIndex?: number) => void} onChoose */
function rows(path, names, onChoose) {
  /** @type {Map<string, Segment & {longest: number}>} */
  const sums = new Map();
  for (const segment of path.segments) {
    const key = [segment.kind, segment.node, segment.wait].join("\n");
    const sum = sums.get(key);
    if (!sum) sums.set(key, { ...segment, longest: segment.ms });
    else {
      if (segment.ms > sum.longest) [sum.longest, sum.run_index] = [segment.ms, segment.run_index];
      sum.ms += segment.ms;
    }
  }
  const longest = [...sums.values()].sort((a, b) => b.ms - a.ms).slice(0, MOST_ROWS);
  return element("ol", { class: "path-rows" }, ...longest.map((segment) => row(segment, path, names, onChoose)));
}

/** @param {Segment} segment @param {Path} path @param {Map<string, string>} names
 *  @param {(node: string, runIndex?: number) => void} onChoose */
function row({ kind, ms, node, run_index: runIndex, wait }, path, names, onChoose) {
  const what = element("small", {}, wait ? WAITS[wait] : KINDS[kind]);
  const track = element("i", { "data-kind": kind });
  track.style.width = `${(ms / (path.wall_ms || 1)) * 100}%`;
  const parts = [
    element("b", {}, node ? names.get(node) ?? node : gettext("Execution")),
    what,
    element("span", { class: "path-track", "aria-hidden": "true" }, track),
    element("small", {}, duration(ms)),
  ];
  if (!node) return element("li", {}, element("div", { class: "path-row" }, ...parts));
  const button = element("button", { type: "button", class: "path-row" }, ...parts);
  button.addEventListener("click", () => onChoose(node, runIndex));
  return element("li", {}, button);
}

/** The nodes beside the path, those with the least time to spare first. @param {Path} path @param {Map<string, string>} names */
function spare(path, names) {
  const nodes = Object.entries(path.slack).filter(([, ms]) => ms > 0).sort((a, b) => a[1] - b[1]).slice(0, MOST_ROWS);
  if (!nodes.length) return [];
  const text = gettext("Beside the path, these could have taken longer without a later end: {nodes}");
  const list = nodes.map(([node, ms]) => `${names.get(node) ?? node} (${duration(ms)})`).join(", ");
  return [element("p", { class: "muted" }, ...textWith(text, { nodes: list }))];
}
