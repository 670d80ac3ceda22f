/** The graph as SVG: nodes with icon, name and state, edges with what flowed over them. */
import { edgeKey } from "./fold.js";
import { number } from "./page.js";
import { viewport } from "./viewport.js";

const SVG = "http://www.w3.org/2000/svg";
const TEXT_X = 54; // right of the icon's tile
const BADGES = { completed: "check", failed: "cross", timed_out: "cross", running: "play", waiting: "clock", cancelled: "cross", retrying: "retry" };
const pen = document.createElement("canvas").getContext("2d");

function svg(tag, attributes = {}, text) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

/** Return as much of the text as is no wider than `room` pixels, with an ellipsis where it is cut. */
function fitting(text, room, font) {
  pen.font = font;
  if (pen.measureText(text).width <= room) return text;
  const characters = [...text];
  let [fits, tooMany] = [0, characters.length];
  while (tooMany - fits > 1) {
    const middle = (fits + tooMany) >> 1;
    if (pen.measureText(`${characters.slice(0, middle).join("")}…`).width <= room) fits = middle;
    else tooMany = middle;
  }
  return `${characters.slice(0, fits).join("").trimEnd()}…`;
}

/** Return the text in one line or, where that is too short, in two, broken between words if it can be. */
function inTwoLines(text, room, font) {
  const first = fitting(text, room, font);
  if (first === text) return [text];
  const words = text.split(" ");
  let taken = words.length - 1;
  while (taken > 0 && fitting(words.slice(0, taken).join(" "), room, font) !== words.slice(0, taken).join(" ")) taken -= 1;
  return taken ? [words.slice(0, taken).join(" "), fitting(words.slice(taken).join(" "), room, font)] : [first];
}

function drawEdge(edge) {
  const group = svg("g", { class: "edge" });
  const path = svg("path", { d: edge.path });
  const label = svg("text", { "text-anchor": "middle" }, edge.source_output === "main" ? "" : edge.source_output);
  group.append(path, label);
  return { group, path, label, output: edge.source_output, said: "" };
}

/** Put the label where the middle of the path is; the path must be in the document. */
function placeLabel({ path, label }) {
  const middle = path.getPointAtLength(path.getTotalLength() / 2);
  label.setAttribute("x", middle.x);
  label.setAttribute("y", middle.y - 6);
}

function drawNode(node, box, icons, fonts) {
  const group = svg("g", { class: `node${node.trigger ? " trigger" : ""}`, transform: `translate(${box.x},${box.y})`, tabindex: 0, role: "button" });
  const badge = svg("g", { class: "badge", transform: `translate(${box.width - 4},3)` });
  const mark = svg("use", { x: -6, y: -6, width: 12, height: 12 });
  badge.append(svg("circle", { r: 9 }), mark);
  const room = box.width - TEXT_X - 12;
  const name = inTwoLines(node.name, room, fonts.name);
  const y = name.length > 1 ? 50 : 44;
  const what = svg("text", { class: "what", x: TEXT_X, y });
  const turns = svg("text", { class: "turns", x: box.width - 12, y, "text-anchor": "end" });
  const title = svg("title");
  group.append(
    title,
    svg("rect", { class: "box", width: box.width, height: box.height, rx: 12 }),
    svg("rect", { class: "tile", x: 11, y: 13, width: 34, height: 34, rx: 9 }),
    svg("use", { class: "icon", href: `${icons}#${node.icon}`, x: 18, y: 20, width: 20, height: 20 }),
    ...name.map((line, index) => svg("text", { class: "name", x: TEXT_X, y: name.length > 1 ? 20 + 15 * index : 27 }, line)),
    what, turns, badge,
  );
  const made = { group, said: null, label: node.label };
  made.say = (status, text, runs, taken) => {
    const key = [status, text, runs, taken].join();
    if (made.said === key) return;
    made.said = key;
    if (status) group.dataset.status = status;
    else delete group.dataset.status;
    group.classList.toggle("taken", taken);
    title.textContent = `${node.name} (${node.label})${text ? `: ${text}` : ""}`;
    turns.textContent = runs > 1 ? `×${number(runs)}` : "";
    pen.font = fonts.turns;
    const besides = runs > 1 ? pen.measureText(turns.textContent).width + 6 : 0;
    what.textContent = fitting(text || node.label, room - besides, fonts.what);
    mark.setAttribute("href", status in BADGES ? `${icons}#${taken ? "copy" : BADGES[status]}` : "");
  };
  made.say("", "", 0, false);
  return made;
}

/** @param {SVGSVGElement} root with the address of the icons in `data-icons`
 *  @param {{nodes: any[], layout: any}} graph @param {(id: string) => void} [onChoose] */
export function renderGraph(root, graph, onChoose = () => {}) {
  const { layout } = graph;
  const family = getComputedStyle(root).fontFamily;
  const fonts = { name: `600 13px ${family}`, what: `11px ${family}`, turns: `600 11px ${family}` };
  const nodes = new Map();
  const edges = new Map(layout.edges.map((edge) => [edgeKey(edge), drawEdge(edge)]));
  root.append(...[...edges.values()].map(({ group }) => group));
  for (const edge of edges.values()) placeLabel(edge);
  for (const node of graph.nodes) {
    const made = drawNode(node, layout.nodes[node.id], root.dataset.icons, fonts);
    made.group.addEventListener("click", () => onChoose(node.id));
    made.group.addEventListener("keydown", (event) => event.key === "Enter" && onChoose(node.id));
    root.append(made.group);
    nodes.set(node.id, made);
  }
  const view = viewport(root, layout.width, layout.height);
  return {
    /** @param {string} id @param {string} status @param {string} text @param {number} [runs] how often it ran
     *  @param {boolean} [taken] over from the execution before */
    setNode(id, status, text, runs = 0, taken = false) {
      nodes.get(id)?.say(status, text, runs, taken);
    },
    /** @param {number | null} items null: some, nobody knows how many */
    setEdge(edge, items, flowing, taken = false) {
      const found = edges.get(edgeKey(edge));
      if (!found) return;
      found.group.setAttribute("class", `edge flowed${flowing ? " flowing" : ""}${taken ? " taken" : ""}`);
      found.label.textContent = [found.output === "main" ? [] : found.output, items === null ? [] : number(items)].flat().join(" · ");
    },
    /** As before anything happened. */
    reset() {
      for (const made of nodes.values()) made.say("", "", 0, false);
      for (const { group, label, output } of edges.values()) {
        group.setAttribute("class", "edge");
        label.textContent = output === "main" ? "" : output;
      }
    },
    choose(id) {
      for (const [key, { group }] of nodes) group.classList.toggle("chosen", key === id);
      if (nodes.has(id)) view.reveal(layout.nodes[id]);
    },
  };
}
