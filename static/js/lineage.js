/** Where the items of a node run came from and where they went, fetched when it is opened. */
import { element, request } from "./page.js";
import { gettext, ngettext, textWith } from "./translations.js";

/** @import { GraphNode } from "./types.js" */
/** @typedef {{ node: string, run_index: number, output: string | null, item: number | null }} Link */
/** @typedef {{ lists: Record<string, (Link[] | null)[]>, totals: Record<string, (number | null)[]> }} Links */
/** @typedef {(node: string, runIndex: number) => void} OnChoose */

const ITEMS = 50; // fetched at once
const LINKS = 5; // shown of one item

/**
 * Return what opens to the origins and destinations of the output items; nothing if there are none.
 * @param {string} path the address of the output
 * @param {number} runIndex
 * @param {Record<string, number>} totals the number of items by output
 * @param {Map<string, GraphNode>} nodes
 * @param {OnChoose} onChoose called for the node run that a link leads to
 * @returns {HTMLElement[]}
 */
export function lineageView(path, runIndex, totals, nodes, onChoose) {
  const most = Math.max(0, ...Object.values(totals));
  if (!most) return [];
  const body = element("div", { class: "lineage-items" });
  const summary = element("summary", {}, gettext("Where the items came from and went"));
  const opened = element("details", { class: "lineage" }, summary, body);
  let offset = 0;
  const more = async () => {
    const button = body.querySelector(":scope > button");
    try {
      const query = `run_index=${runIndex}&lineage=true&limit=${ITEMS}&offset=${offset}`;
      const response = await request(`${path}?${query}`);
      const found = await response.json();
      button?.remove();
      if (!response.ok) return body.append(element("p", { class: "empty" }, found.detail));
      body.append(...rows(found, offset, nodes, onChoose));
      offset += ITEMS;
      if (offset < most) body.append(moreButton(more));
    } catch { // no connection, or no JSON
      button?.remove();
      const text = gettext("Couldn't load where the items came from.");
      body.append(element("p", { class: "empty" }, text), moreButton(more));
    }
  };
  opened.addEventListener("toggle", () => {
    if (opened.open && !body.childElementCount) more();
  });
  return [opened];
}

/** @param {() => void} more */
function moreButton(more) {
  const button = element("button", { type: "button", class: "link" }, gettext("Show more"));
  button.addEventListener("click", more, { once: true });
  return button;
}

/**
 * @param {{ lineage: Links["lists"], destinations: Links["lists"], totals: Record<string, Links["totals"]> }} found
 * @param {number} offset
 * @param {Map<string, GraphNode>} nodes
 * @param {OnChoose} onChoose
 */
function rows(found, offset, nodes, onChoose) {
  const from = { lists: found.lineage, totals: found.totals.lineage };
  const to = { lists: found.destinations, totals: found.totals.destinations };
  return Object.entries(found.lineage).flatMap(([output, lists]) =>
    lists.map((_, place) => {
      const item = offset + place;
      const name = output === "main"
        ? gettext("Item {item}", { item })
        : `${output} · ${gettext("item {item}", { item })}`;
      const none = gettext("no item: it entered or was made here");
      const origins = linksView(from, output, place, none, nodes, onChoose);
      const destinations = linksView(to, output, place, gettext("nowhere"), nodes, onChoose);
      return element(
        "p",
        {},
        element("b", {}, name),
        element("span", {}, ...textWith(gettext("from {origins}"), { origins })),
        element("span", {}, ...textWith(gettext("to {destinations}"), { destinations })),
      );
    })
  );
}

/**
 * @param {Links} links
 * @param {string} output
 * @param {number} place
 * @param {string} none what to show if there are no links
 * @param {Map<string, GraphNode>} nodes
 * @param {OnChoose} onChoose
 * @returns {Node}
 */
function linksView(links, output, place, none, nodes, onChoose) {
  const list = links.lists[output][place];
  const found = document.createDocumentFragment();
  const total = links.totals[output][place] ?? 0;
  if (list === null) found.append(gettext("unknown: this node does not tell"));
  else if (!total) found.append(none);
  else {
    found.append(
      ...list.slice(0, LINKS).flatMap((link, index) => [index ? ", " : "", linkView(link, nodes, onChoose)]),
    );
    const rest = total - Math.min(list.length, LINKS);
    if (rest) found.append(` ${ngettext("and {count} more item", "and {count} more items", rest)}`);
  }
  return found;
}

/** @param {Link} link @param {Map<string, GraphNode>} nodes @param {OnChoose} onChoose */
function linkView(link, nodes, onChoose) {
  const name = nodes.get(link.node)?.name ?? link.node;
  const { output, item } = link;
  const words = [name];
  if (link.run_index) words.push(gettext("run {run}", { run: link.run_index + 1 }));
  if (output && output !== "main") words.push(output);
  words.push(item === null ? gettext("an item that it does not tell") : gettext("item {item}", { item }));
  const button = element("button", { type: "button", class: "link" }, words.join(" · "));
  button.addEventListener("click", () => onChoose(link.node, link.run_index));
  return button;
}
