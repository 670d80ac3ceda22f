/** A group of nodes in the place of a node run: how many nodes have which status, each node, and a way to expand it. */
import { element, icon } from "./page.js";
import { groupState, runText, statusCount, statusOf } from "./run_text.js";
import { gettext, ngettext, number } from "./translations.js";
import { statusText } from "./words.js";

/** @import { GraphNode, NodeGroup, State } from "./types.js" */

export class GroupView {
  #shown = "";

  /** @param {HTMLElement} root @param {Map<string, GraphNode>} nodes @param {(node: string) => void} onChoose
   *  @param {(id: string) => void} onExpand */
  constructor(root, nodes, onChoose, onExpand) {
    this.root = root;
    this.nodes = nodes;
    this.onChoose = onChoose;
    this.onExpand = onExpand;
  }

  /** Another view has the place. */
  leave() {
    this.#shown = "";
  }

  /** @param {string} id @param {NodeGroup} group @param {State} state @param {number} now */
  show(id, group, state, now) {
    const runs = group.nodes.map((node) => state.nodes.get(node));
    const key = [id, ...runs.map((run) => (run ? `${statusOf(run)}${run.runIndex}` : ""))].join();
    if (key === this.#shown) return;
    this.#shown = key;
    const focused = this.root.contains(document.activeElement) ? document.activeElement?.id : "";
    const { status } = groupState(group.nodes, state);
    const expand = element("button", { type: "button", class: "small", id: "expand-group" }, gettext("Expand"));
    expand.addEventListener("click", () => this.onExpand(id));
    const tile = element("span", { class: "tile" }, icon("stack", 18));
    const head = element("div", { class: "card-head" }, tile, element("h2", { title: group.name }, group.name), expand);
    if (status) head.append(element("span", { class: "status", "data-status": status }, statusText(status)));
    const rows = group.nodes.map((node, index) => this.#row(node, runs[index], now));
    const title = gettext("Nodes of {name}", { name: group.name });
    const list = element("ul", { class: "node-list group-nodes", "aria-label": title }, ...rows);
    this.root.replaceChildren(head, element("p", { class: "group-counts" }, countsOf(runs)), list);
    if (focused) document.getElementById(focused)?.focus();
  }

  /** @param {string} node @param {import("./types.js").Run | undefined} run @param {number} now */
  #row(node, run, now) {
    const { name = node, icon: picture = "dot", label = "" } = this.nodes.get(node) ?? {};
    const count = element("small", { class: "run-count" }, run?.runIndex ? `×${number(run.runIndex + 1)}` : "");
    const text = element("small", {}, run ? runText(run, now) : label);
    const row = element(
      "button",
      { type: "button", id: `member ${node}` },
      icon(picture, 18),
      element("b", {}, name),
      text,
      count,
    );
    row.dataset.status = run ? statusOf(run) : "";
    row.addEventListener("click", () => this.onChoose(node));
    return element("li", {}, row);
  }
}

/** @param {(import("./types.js").Run | undefined)[]} runs the latest of each node */
function countsOf(runs) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const run of runs) {
    const status = run ? statusOf(run) : "";
    counts.set(status, (counts.get(status) ?? 0) + 1);
  }
  const all = runs.reduce((sum, run) => sum + (run ? run.runIndex + 1 : 0), 0);
  return [
    ngettext("{count} node", "{count} nodes", runs.length),
    ngettext("{count} run", "{count} runs", all),
    ...[...counts].map(([status, count]) =>
      status ? statusCount(status, count) : ngettext("{count} not started", "{count} not started", count)
    ),
  ].join(" · ");
}
