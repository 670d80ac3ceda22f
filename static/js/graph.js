/** The graph as SVG: nodes with icon, name and status, edges with the items that passed. */
import { edgeKey } from "./fold.js";
import { Minimap } from "./minimap.js";
import { number } from "./translations.js";
import { viewport } from "./viewport.js";

/** @import { Box, Edge, Graph, GraphNode, Layout } from "./types.js" */
/** @typedef {{name: string, details: string, runs: string}} Fonts */

const SVG = "http://www.w3.org/2000/svg";
const SMALL = 120; // nodes of a graph that is drawn as a whole
const AROUND = 40; // units around what is in sight
const TEXT_X = 54; // right of the icon's tile
/** @type {Record<string, string>} */
const BADGES = {
  completed: "check",
  failed: "cross",
  timed_out: "cross",
  running: "play",
  waiting: "clock",
  cancelled: "cross",
  retrying: "retry",
};
const canvas = /** @type {CanvasRenderingContext2D} */ (document.createElement("canvas").getContext("2d"));

/**
 * @template {keyof SVGElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, string | number>} [attributes]
 * @param {string} [text]
 */
function svg(tag, attributes = {}, text) {
  const created = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) created.setAttribute(name, String(value));
  if (text !== undefined) created.textContent = text;
  return created;
}

/** @param {string} text @param {string} font */
function widthOf(text, font) {
  canvas.font = font;
  return canvas.measureText(text).width;
}

/**
 * Return the text, cut with an ellipsis to `width` pixels.
 * @param {string} text
 * @param {number} width
 * @param {string} font
 */
function truncated(text, width, font) {
  if (widthOf(text, font) <= width) return text;
  const characters = [...text];
  let [fits, tooMany] = [0, characters.length];
  while (tooMany - fits > 1) {
    const middle = (fits + tooMany) >> 1;
    if (widthOf(`${characters.slice(0, middle).join("")}…`, font) <= width) fits = middle;
    else tooMany = middle;
  }
  return `${characters.slice(0, fits).join("").trimEnd()}…`;
}

/** Return the text in one line, or in two that break between words. @param {string} text @param {number} width
 *  @param {string} font */
function inTwoLines(text, width, font) {
  const first = truncated(text, width, font);
  if (first === text) return [text];
  const words = text.split(" ");
  let count = words.length - 1;
  while (count > 0 && widthOf(words.slice(0, count).join(" "), font) > width) count -= 1;
  if (!count) return [first];
  return [words.slice(0, count).join(" "), truncated(words.slice(count).join(" "), width, font)];
}

class EdgeDrawing {
  #shown = "";

  /** @param {Edge & {path: string}} edge */
  constructor(edge) {
    this.output = edge.source_output === "main" ? "" : edge.source_output;
    this.group = svg("g", { class: "edge" });
    this.path = svg("path", { d: edge.path });
    this.label = svg("text", { "text-anchor": "middle" }, this.output);
    this.group.append(this.path, this.label);
  }

  /** Put the label on the middle of the path, which must be in the document. */
  placeLabel() {
    const middle = this.path.getPointAtLength(this.path.getTotalLength() / 2);
    this.label.setAttribute("x", String(middle.x));
    this.label.setAttribute("y", String(middle.y - 6));
  }

  /** @param {string} classes @param {number | null} items null if some passed and the sum is unknown
   *  @returns {boolean} whether anything has changed */
  show(classes, items) {
    const key = `${classes}|${items}`;
    if (this.#shown === key) return false;
    this.#shown = key;
    this.group.setAttribute("class", classes);
    this.label.textContent = [this.output, items === null ? "" : number(items)].filter(Boolean).join(" · ");
    return true;
  }

  reset() {
    this.show("edge", null);
  }
}

class NodeDrawing {
  /** @type {string | null} */
  #shown = null;

  /** @param {GraphNode} node @param {Box} box @param {string} icons URL of icons.svg @param {Fonts} fonts */
  constructor(node, box, icons, fonts) {
    this.node = node;
    this.icons = icons;
    this.fonts = fonts;
    this.width = box.width - TEXT_X - 12;
    const name = inTwoLines(node.name, this.width, fonts.name);
    const y = name.length > 1 ? 50 : 44;
    this.title = svg("title");
    this.details = svg("text", { class: "details", x: TEXT_X, y });
    this.runs = svg("text", { class: "run-count", x: box.width - 12, y, "text-anchor": "end" });
    this.mark = svg("use", { x: -6, y: -6, width: 12, height: 12 });
    const badge = svg("g", { class: "badge", transform: `translate(${box.width - 4},3)` });
    badge.append(svg("circle", { r: 9 }), this.mark);
    this.group = svg("g", {
      class: `node${node.trigger ? " trigger" : ""}${node.type === "group" ? " grouped" : ""}`,
      transform: `translate(${box.x},${box.y})`,
      tabindex: 0,
      role: "button",
    });
    if (node.type === "group") {
      this.group.append(svg("rect", { class: "box below", x: 5, y: 5, width: box.width, height: box.height, rx: 12 }));
    }
    this.group.append(
      this.title,
      svg("rect", { class: "box", width: box.width, height: box.height, rx: 12 }),
      svg("rect", { class: "tile", x: 11, y: 13, width: 34, height: 34, rx: 9 }),
      svg("use", { class: "icon", href: `${icons}#${node.icon}`, x: 18, y: 20, width: 20, height: 20 }),
      ...name.map((line, index) =>
        svg("text", { class: "name", x: TEXT_X, y: name.length > 1 ? 20 + 15 * index : 27 }, line)
      ),
      this.details,
      this.runs,
      badge,
    );
    this.show("", "", 0, false);
  }

  /** @param {string} status @param {string} text @param {number} runs @param {boolean} reused
   *  @returns {boolean} whether anything has changed */
  show(status, text, runs, reused) {
    const key = [status, text, runs, reused].join();
    if (this.#shown === key) return false;
    this.#shown = key;
    const { node, fonts, group } = this;
    if (status) group.dataset.status = status;
    else delete group.dataset.status;
    group.classList.toggle("reused", reused);
    this.title.textContent = `${node.name} (${node.label})${text ? `: ${text}` : ""}`;
    const count = runs > 1 ? `×${number(runs)}` : "";
    this.runs.textContent = count;
    const taken = count ? widthOf(count, fonts.runs) + 6 : 0;
    this.details.textContent = truncated(text || node.label, this.width - taken, fonts.details);
    const badge = status in BADGES ? `${this.icons}#${reused ? "copy" : BADGES[status]}` : "";
    this.mark.setAttribute("href", badge);
    return true;
  }
}

/** Leaves out what is not in sight of a large graph: drawing everything again with each step would take too long. */
class Sight {
  /** @type {{group: SVGElement, left: number, top: number, right: number, bottom: number, shown: boolean}[]} */
  #parts = [];

  /** @param {Layout} layout @param {Map<string, NodeDrawing>} nodes @param {Map<string, EdgeDrawing>} edges */
  constructor(layout, nodes, edges) {
    if (nodes.size <= SMALL) return;
    for (const [id, { group }] of nodes) this.#add(group, [layout.nodes[id]]);
    for (const edge of layout.edges) {
      const ends = [layout.nodes[edge.source], layout.nodes[edge.target]];
      const drawing = edges.get(edgeKey(edge));
      if (drawing && ends[0].x < ends[1].x) this.#add(drawing.group, ends); // a back edge goes far around: always drawn
    }
  }

  /** @param {SVGElement} group @param {Box[]} boxes */
  #add(group, boxes) {
    const left = Math.min(...boxes.map(({ x }) => x));
    const top = Math.min(...boxes.map(({ y }) => y));
    const right = Math.max(...boxes.map(({ x, width }) => x + width));
    const bottom = Math.max(...boxes.map(({ y, height }) => y + height));
    this.#parts.push({ group, left, top, right, bottom, shown: true });
  }

  /** @param {Box} box in sight */
  show({ x, y, width, height }) {
    for (const part of this.#parts) {
      const shown = part.left < x + width + AROUND && part.right > x - AROUND &&
        part.top < y + height + AROUND && part.bottom > y - AROUND;
      if (shown === part.shown) continue;
      part.shown = shown;
      part.group.style.display = shown ? "" : "none";
    }
  }
}

/**
 * @param {SVGSVGElement} root has the URL of the icons in `data-icons`
 * @param {Graph} graph
 * @param {(id: string, extend: boolean) => void} [onChoose] extend: with Shift
 * @param {(id: string) => void} [onOpen] called for a double click
 */
export function renderGraph(root, graph, onChoose = () => {}, onOpen = () => {}) {
  const { layout } = graph;
  const family = getComputedStyle(root).fontFamily;
  const fonts = { name: `600 13px ${family}`, details: `11px ${family}`, runs: `600 11px ${family}` };
  /** @type {Map<string, NodeDrawing>} */
  const nodes = new Map();
  const edges = new Map(layout.edges.map((edge) => [edgeKey(edge), new EdgeDrawing(edge)]));
  root.append(...[...edges.values()].map(({ group }) => group));
  for (const edge of edges.values()) edge.placeLabel();
  for (const node of graph.nodes) {
    const drawing = new NodeDrawing(node, layout.nodes[node.id], root.dataset.icons ?? "", fonts);
    drawing.group.addEventListener("click", (event) => onChoose(node.id, event.shiftKey));
    drawing.group.addEventListener("dblclick", () => onOpen(node.id));
    drawing.group.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      onChoose(node.id, event.shiftKey);
    });
    drawing.group.addEventListener("focus", () => {
      if (drawing.group.matches(":focus-visible")) view.reveal(layout.nodes[node.id]); // Tab may lead out of sight
    });
    root.append(drawing.group);
    nodes.set(node.id, drawing);
  }
  const minimap = new Minimap(layout, (x, y) => view.center(x, y));
  const sight = new Sight(layout, nodes, edges);
  root.classList.toggle("large", nodes.size > SMALL);
  const view = viewport(root, layout.width, layout.height, (box, all) => {
    minimap.show(box, all);
    sight.show(box);
  });
  root.after(minimap.svg);
  let chosen = "";
  return {
    /** @param {string} id @param {string} status @param {string} text @param {number} [runs] @param {boolean} [reused]
     *  whether a rerun reuses its saved output @returns {boolean} whether anything has changed */
    setNode(id, status, text, runs = 0, reused = false) {
      const changed = nodes.get(id)?.show(status, text, runs, reused) ?? false;
      if (changed) minimap.setNode(id, status);
      return changed;
    },
    /** @param {Edge} edge @param {number | null} items null if some passed and the sum is unknown
     *  @param {boolean} flowing @param {boolean} [reused] @returns {boolean} whether anything has changed */
    setEdge(edge, items, flowing, reused = false) {
      const classes = `edge flowed${flowing ? " flowing" : ""}${reused ? " reused" : ""}`;
      return edges.get(edgeKey(edge))?.show(classes, items) ?? false;
    },
    /** Show the graph as before the first event. */
    reset() {
      for (const [id, drawing] of nodes) {
        drawing.show("", "", 0, false);
        minimap.setNode(id, "");
      }
      for (const drawing of edges.values()) drawing.reset();
    },
    /** @param {string} id */
    choose(id) {
      nodes.get(chosen)?.group.classList.remove("chosen");
      nodes.get(id)?.group.classList.add("chosen");
      chosen = id;
      if (nodes.has(id)) view.reveal(layout.nodes[id]);
    },
    /** Show which nodes are selected. @param {Set<string>} ids */
    select(ids) {
      for (const [id, { group }] of nodes) group.classList.toggle("selected", ids.has(id));
    },
    /** Show which nodes are on the critical path. @param {Set<string>} ids */
    markPath(ids) {
      for (const [id, { group }] of nodes) group.classList.toggle("on-path", ids.has(id));
    },
    /** Show which nodes match; null: none is searched for. @param {Set<string> | null} ids */
    match(ids) {
      root.classList.toggle("searching", ids !== null);
      for (const [id, { group }] of nodes) group.classList.toggle("match", ids?.has(id) ?? false);
      const [first] = ids ?? [];
      if (first !== undefined) view.reveal(layout.nodes[first]);
    },
  };
}
