/** Links from a node run to where its items came from, and to the executions and deliveries that it made. */
import { counted, element } from "./page.js";

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
    const run = runIndex ? ` · run ${runIndex + 1}` : "";
    const port = output === "main" ? "" : ` · ${output}`;
    const button = element(
      "button",
      { type: "button", class: "link" },
      `${nodes.get(node)?.name ?? node}${run}${port}`,
    );
    button.addEventListener("click", () => onChoose(node, runIndex));
    return element("li", {}, button, element("small", {}, counted(items, "item")));
  });
  return [linkList("From", links)];
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
      element("span", { class: "status", "data-status": status }, code ? `${status} · ${code}` : status),
    )
  );
  const href = `/webhooks/deliveries/?execution=${execution}`;
  links.push(
    element("li", {}, element("a", { class: "link", href }, `All ${counted(count, "delivery", "deliveries")}`)),
  );
  return [linkList(`Deliveries of ${run.name}`, links)];
}

/** @param {string} title @param {HTMLElement[]} links */
function linkList(title, links) {
  return element("div", { class: "links" }, element("h4", {}, title), element("ul", {}, ...links));
}
