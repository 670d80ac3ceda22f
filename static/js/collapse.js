/**
 * A graph with groups of nodes drawn as one node each. Pure: the layout is that of the server, with the gaps closed that
 * the nodes leave.
 */
import { edgeKey } from "./fold.js";
import { ngettext } from "./translations.js";

/** @import { Box, Edge, Graph, GraphNode, Layout, NodeGroup } from "./types.js" */
/** @typedef {{graph: Graph, of: Map<string, string>, groups: Map<string, NodeGroup>, edges: Map<string, Edge>}} Collapsed
 *  of: the group that stands for a node · groups: by the id of their node, with the nodes that they stand for · edges:
 *  what is drawn for an edge, by its key; an edge within a group is not drawn */

const [GAP_X, GAP_Y, MARGIN] = [60, 36, 32]; // as the server places nodes
const [OUT, RADIUS, CLEARANCE] = [20, 10, 16]; // of edges that lead back

/** @param {Graph} graph @param {NodeGroup[]} groups @returns {Collapsed} */
export function collapse(graph, groups) {
  /** @type {Collapsed} */
  const found = { graph, of: new Map(), groups: new Map(), edges: new Map() };
  const ids = new Set(graph.nodes.map((node) => node.id));
  for (const group of [...groups].sort((a, b) => b.nodes.length - a.nodes.length)) {
    const nodes = group.nodes.filter((node) => ids.has(node) && !found.of.has(node)); // the others are in a larger one
    let id = `group ${group.id}`;
    while (ids.has(id)) id += "'";
    if (nodes.length < 2) continue;
    found.groups.set(id, { ...group, nodes });
    for (const node of nodes) found.of.set(node, id);
  }
  if (!found.groups.size) { for (const edge of graph.layout.edges) found.edges.set(edgeKey(edge), edge); }
  else found.graph = { nodes: drawnNodes(graph, found), layout: drawnLayout(graph, found) };
  return found;
}

/** @param {Graph} graph @param {Collapsed} collapsed @returns {GraphNode[]} */
function drawnNodes(graph, { of, groups }) {
  /** @type {Map<string, GraphNode>} */
  const drawn = new Map();
  for (const node of graph.nodes) {
    const id = of.get(node.id);
    const group = id ? groups.get(id) : null;
    if (!id || !group) drawn.set(node.id, node);
    else if (!drawn.has(id)) {
      const label = ngettext("{count} node", "{count} nodes", group.nodes.length);
      drawn.set(id, { id, name: group.name, type: "group", label, icon: "stack", trigger: false, cycle: null });
    }
  }
  return [...drawn.values()];
}

/** @param {Graph} graph @param {Collapsed} collapsed @returns {Layout} */
function drawnLayout({ layout }, { of, groups, edges }) {
  /** @type {Record<string, Box>} */
  const boxes = {};
  for (const [id, box] of Object.entries(layout.nodes)) if (!of.has(id)) boxes[id] = { ...box };
  for (const [id, { nodes }] of groups) {
    const places = nodes.map((node) => layout.nodes[node]);
    boxes[id] = {
      ...places.reduce((best, box) => (box.x < best.x || (box.x === best.x && box.y < best.y) ? box : best)),
    };
  }
  const all = Object.values(boxes);
  closeGaps(all, "x", "width", GAP_X);
  closeGaps(all, "y", "height", GAP_Y);
  /** @type {Map<string, Edge>} */
  const drawn = new Map();
  for (const edge of layout.edges) {
    const [from, to] = [of.get(edge.source), of.get(edge.target)];
    if (from && from === to) continue;
    const mapped = {
      source: from ?? edge.source,
      source_output: from ? "main" : edge.source_output,
      target: to ?? edge.target,
      target_input: to ? "main" : edge.target_input,
    };
    drawn.set(edgeKey(mapped), mapped);
    edges.set(edgeKey(edge), mapped);
  }
  const paths = new Paths(all);
  const paired = [...drawn.values()].map((edge) => ({
    ...edge,
    path: paths.between(boxes[edge.source], boxes[edge.target]),
  }));
  const width = Math.max(...all.map((box) => box.x + box.width)) + MARGIN;
  const height = Math.max(paths.lowest, ...all.map((box) => box.y + box.height)) + MARGIN;
  return { width, height, nodes: boxes, edges: paired };
}

/**
 * Move boxes together where a strip between them is empty. No box comes nearer to another than `gap` by that.
 * @param {Box[]} boxes
 * @param {"x" | "y"} at
 * @param {"width" | "height"} size
 * @param {number} gap
 */
function closeGaps(boxes, at, size, gap) {
  const ordered = [...boxes].sort((a, b) => a[at] - b[at]);
  let [shift, end] = [(ordered[0]?.[at] ?? 0) - MARGIN, -Infinity];
  for (const box of ordered) {
    const start = box[at];
    if (end > -Infinity && start - end > gap) shift += start - end - gap;
    end = Math.max(end, start + box[size]);
    box[at] = start - shift;
  }
}

/** Makes the paths of edges: curves forwards, and below the nodes backwards. */
class Paths {
  lowest = 0;
  #back = 0;

  /** @param {Box[]} boxes */
  constructor(boxes) {
    this.boxes = boxes;
  }

  /** @param {Box} from @param {Box} to */
  between(from, to) {
    const [x1, y1] = [from.x + from.width, from.y + from.height / 2];
    const [x2, y2] = [to.x, to.y + to.height / 2];
    if (x2 > x1) {
      const bend = Math.max(30, (x2 - x1) / 2);
      return `M${x1},${y1} C${x1 + bend},${y1} ${x2 - bend},${y2} ${x2},${y2}`;
    }
    const [right, left] = [x1 + OUT, x2 - OUT];
    const between = this.boxes.filter((box) => box.x < right && box.x + box.width > left);
    const y = Math.max(...between.map((box) => box.y + box.height)) + CLEARANCE + 8 * (this.#back++ % 6);
    this.lowest = Math.max(this.lowest, y);
    return `M${x1},${y1} H${right - RADIUS} Q${right},${y1} ${right},${y1 + RADIUS} V${y - RADIUS}` +
      ` Q${right},${y} ${right - RADIUS},${y} H${left + RADIUS} Q${left},${y} ${left},${y - RADIUS}` +
      ` V${y2 + RADIUS} Q${left},${y2} ${left + RADIUS},${y2} H${x2}`;
  }
}
