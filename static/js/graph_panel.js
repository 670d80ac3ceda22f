/** The card with the nodes: as a graph or as a list, with search, and groups of nodes that are drawn as one. */
import { collapse } from "./collapse.js";
import { edgeKey } from "./fold.js";
import { renderGraph } from "./graph.js";
import { followView } from "./graph_view.js";
import { Grouping } from "./grouping.js";
import "./menus.js";
import { NodeList } from "./node_list.js";
import { NodeSearch } from "./node_search.js";
import { byId, data, inputById } from "./page.js";
import { groupState, runText, statusOf } from "./run_text.js";

/** @import { State } from "./types.js" */

const AT_ONCE = 16; // changes in one frame, once it has been drawn

export class GraphPanel {
  #svg = byId("graph", SVGSVGElement);
  #list = new NodeList(byId("node-list"), (node, extend) => this.#press(node, extend));
  #isDrawn = false; // all of it
  #chosen = "";
  /** @type {Set<string> | null} */
  #matches = null;

  /** @param {(id: string) => void} onChoose called with a node or a group @param {() => void} onArrange called when other
   *  groups are collapsed */
  constructor(onChoose, onArrange) {
    this.onChoose = onChoose;
    this.grouping = new Grouping(
      byId("groups-menu"),
      () => {
        this.#arrange();
        onArrange();
      },
      () => this.#showSelection(),
    );
    this.shown = collapse(data.graph, this.grouping.collapsed);
    this.#graph = this.#render();
    this.#list.arrange(this.shown.graph);
    followView(byId("graph-card"), (isList) => this.#list.show(isList));
    new NodeSearch(inputById("node-search"), byId("node-matches"), data.graph, onChoose, [this]);
  }

  /** @type {ReturnType<typeof renderGraph>} */
  #graph;

  /** The id of what stands for a node. @param {string} node */
  drawnAs = (node) => this.shown.of.get(node) ?? node;

  #render() {
    return renderGraph(this.#svg, this.shown.graph, (id, extend) => this.#press(id, extend), (id) => this.expand(id));
  }

  #arrange() {
    this.shown = collapse(data.graph, this.grouping.collapsed);
    const empty = /** @type {SVGSVGElement} */ (this.#svg.cloneNode(false)); // without what listens to the old one
    for (const each of this.#svg.parentElement?.querySelectorAll(".zoom, .minimap") ?? []) each.remove();
    this.#svg.replaceWith(empty);
    this.#svg = empty;
    this.#graph = this.#render();
    this.#list.arrange(this.shown.graph);
    this.#isDrawn = false;
    this.choose(this.#chosen);
    this.match(this.#matches);
    this.#showSelection();
  }

  /** @param {string} id @param {boolean} extend whether it is added to the selection */
  #press(id, extend) {
    if (extend && !this.shown.groups.has(id)) this.grouping.toggle(id);
    else this.onChoose(id);
  }

  #showSelection() {
    this.#graph.select(this.grouping.selected);
  }

  /** Draw the nodes of a group again. @param {string} id */
  expand(id) {
    const group = this.shown.groups.get(id);
    if (group) this.grouping.set(group.id, false);
  }

  /** Draw what has changed; of much, a part. Returns whether there is more. @param {State} state @param {number} now */
  draw(state, now) {
    let changes = 0;
    /** @param {boolean} changed */
    const isEnough = (changed) => (changes += Number(changed)) >= AT_ONCE && this.#isDrawn;
    for (const [id, run] of state.nodes) {
      if (this.shown.of.has(id)) continue;
      const [status, text] = [statusOf(run), runText(run, now)];
      this.#list.setNode(id, status, text, run.runIndex + 1);
      if (isEnough(this.#graph.setNode(id, status, text, run.runIndex + 1, Boolean(run.reusedFrom)))) return true;
    }
    for (const [id, { nodes }] of this.shown.groups) {
      const { status, text } = groupState(nodes, state);
      this.#list.setNode(id, status, text, 0);
      if (isEnough(this.#graph.setNode(id, status, text))) return true;
    }
    for (const flow of this.#flows(state)) {
      const flowing = !state.endedAt && state.nodes.get(flow.target)?.status === "running";
      if (isEnough(this.#graph.setEdge(flow.edge, flow.items, flowing, flow.reused))) return true;
    }
    this.#isDrawn = state.sequence > 0;
    return false;
  }

  /** Return the items of each edge that is drawn; of an edge to or from a group, those of all its edges.
   *  @param {State} state */
  #flows(state) {
    /** @type {Map<string, {edge: import("./types.js").Edge, items: number | null, reused: boolean, target: string}>} */
    const found = new Map();
    for (const [key, { edge, items, reused }] of state.edges) {
      const drawn = this.shown.edges.get(key);
      if (!drawn) continue;
      const before = found.get(edgeKey(drawn));
      const sum = before ? (before.items === null || items === null ? null : before.items + items) : items;
      const all = { edge: drawn, items: sum, reused: reused && (before?.reused ?? true), target: edge.target };
      found.set(edgeKey(drawn), all);
    }
    return found.values();
  }

  /** Show it as before the first event. */
  reset() {
    this.restart();
    this.#graph.reset();
    this.#list.reset();
  }

  /** Draw everything at once the next time: another state is shown. */
  restart() {
    this.#isDrawn = false;
  }

  /** @param {string} id of a node or a group */
  choose(id) {
    this.#chosen = id;
    this.#graph.choose(this.drawnAs(id));
    this.#list.choose(this.drawnAs(id));
  }

  /** Show which nodes are on the critical path. @param {Iterable<string>} ids */
  markPath(ids) {
    this.#graph.markPath(new Set([...ids].map(this.drawnAs)));
  }

  /** Show which nodes match; null: none is searched for. @param {Set<string> | null} ids */
  match(ids) {
    this.#matches = ids;
    const drawn = ids && new Set([...ids].map(this.drawnAs));
    this.#graph.match(drawn);
    this.#list.match(drawn);
  }
}
