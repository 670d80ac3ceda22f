/** Links from a node run to where its items came from, and to the executions and deliveries that it made. */
import { element } from "./page.js";
import { gettext, ngettext } from "./translations.js";
import { statusText } from "./words.js";

/** @import { GraphNode, NodeRunAnswer, Run } from "./types.js" */

/**
 * @param {NodeRunAnswer["sources"]} sources
 * @param {Map<string, GraphNode>} nodes
 * @param {(node: string, runIndex: number) => void} onChoose
 * @returns {HTMLElement[]}
 */
export function sourcesView(sources, nodes, onChoose) {
  if (!sources.length) return [];
  const links = sources.map(({ node, run_index: runIndex, output, items }) => {
    const words = [nodes.get(node)?.name ?? node];
    if (runIndex) words.push(gettext("run {run}", { run: runIndex + 1 }));
    if (output !== "main") words.push(output);
    const button = element("button", { type: "button", class: "link" }, words.join(" · "));
    button.addEventListener("click", () => onChoose(node, runIndex));
    return element("li", {}, button, element("small", {}, ngettext("{count} item", "{count} items", items)));
  });
  return [linkList(gettext("From"), links)];
}

/**
 * @param {string} execution
 * @param {Run} run
 * @param {NodeRunAnswer["deliveries"]} deliveries
 * @returns {HTMLElement[]}
 */
export function deliveriesView(execution, run, { count, newest }) {
  if (!count) return [];
  const links = newest.map(({ id, status, status_code: code }) =>
    element(
      "li",
      {},
      element("a", { class: "link mono", href: `/webhooks/deliveries/${id}/` }, `${id.slice(0, 8)}…${id.slice(-4)}`),
      element(
        "span",
        { class: "status", "data-status": status },
        code ? `${statusText(status)} · ${code}` : statusText(status),
      ),
    )
  );
  const href = `/webhooks/deliveries/?execution=${execution}`;
  const all = ngettext("All {count} delivery", "All {count} deliveries", count);
  links.push(element("li", {}, element("a", { class: "link", href }, all)));
  return [linkList(gettext("Deliveries of {name}", { name: run.name }), links)];
}

/** @param {string} title @param {HTMLElement[]} links */
function linkList(title, links) {
  return element("div", { class: "links" }, element("h4", {}, title), element("ul", {}, ...links));
}
