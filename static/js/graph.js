/** The graph as SVG: nodes with their state, edges with what flowed over them. */
import { viewport } from "./viewport.js";

const SVG = "http://www.w3.org/2000/svg";

function svg(tag, attributes = {}, text) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

export const edgeKey = (e) => [e.source, e.source_output, e.target, e.target_input].join("→");

/** @param {SVGSVGElement} root @param {{nodes: any[], layout: any}} graph @param {(id: string) => void} [onChoose] */
export function renderGraph(root, graph, onChoose = () => {}) {
  const { layout } = graph;
  const nodes = new Map();
  const edges = new Map();
  for (const edge of layout.edges) {
    const group = svg("g", { class: "edge" });
    const path = svg("path", { d: edge.path });
    const label = svg("text", { "text-anchor": "middle" }, edge.source_output === "main" ? "" : edge.source_output);
    group.append(path, label);
    root.append(group);
    const middle = path.getPointAtLength(path.getTotalLength() / 2);
    label.setAttribute("x", middle.x);
    label.setAttribute("y", middle.y - 6);
    edges.set(edgeKey(edge), { group, label, output: edge.source_output });
  }
  for (const node of graph.nodes) {
    const box = layout.nodes[node.id];
    const group = svg("g", { class: "node", transform: `translate(${box.x},${box.y})`, tabindex: 0, role: "button" });
    const what = svg("text", { class: "what", x: 30, y: 42 }, node.label);
    group.append(
      svg("title", {}, `${node.name} (${node.label})`),
      svg("rect", { width: box.width, height: box.height, rx: 12 }),
      svg("circle", { cx: 16, cy: 22, r: 5 }),
      svg("text", { class: "name", x: 30, y: 26 }, node.name.length > 19 ? `${node.name.slice(0, 18)}…` : node.name),
      what,
    );
    group.addEventListener("click", () => onChoose(node.id));
    group.addEventListener("keydown", (event) => event.key === "Enter" && onChoose(node.id));
    root.append(group);
    nodes.set(node.id, { group, what, label: node.label });
  }
  viewport(root, layout.width, layout.height);
  return {
    setNode(id, status, text) {
      const node = nodes.get(id);
      if (!node) return;
      node.group.dataset.status = status;
      node.what.textContent = text || node.label;
    },
    setEdge(edge, items, flowing) {
      const found = edges.get(edgeKey(edge));
      if (!found) return;
      found.group.setAttribute("class", `edge flowed ${flowing ? "flowing" : ""}`);
      found.label.textContent = `${found.output === "main" ? "" : `${found.output} · `}${items}`;
    },
    choose(id) {
      for (const [key, { group }] of nodes) group.classList.toggle("chosen", key === id);
    },
  };
}
