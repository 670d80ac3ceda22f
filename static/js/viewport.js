/** Zoom, pan and fit of an SVG drawing: by buttons, keys (+ − 0 arrows), dragging, and Ctrl with the wheel (or a pinch). */
import { element } from "./page.js";

const STEP = 1.25;
const LARGEST = 2.5;
const SMALLEST = 0.1;
const LEAST_FIT = 0.45; // smaller than this nobody can read a node: a wide graph is then dragged
const [SHORTEST, TALLEST] = [180, 480]; // pixels
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** @param {SVGSVGElement} svg @param {number} width @param {number} height the drawing's, in its own units
 *  @returns {{reveal: (box: {x: number, y: number, width: number, height: number}) => void}} */
export function viewport(svg, width, height) {
  let scale = 1; // pixels for a unit
  let [x, y] = [0, 0]; // what is in the upper left corner
  let touched = false;

  function show() {
    svg.setAttribute("viewBox", `${x} ${y} ${svg.clientWidth / scale} ${svg.clientHeight / scale}`);
    svg.dataset.scale = scale.toFixed(3);
  }
  function fit() {
    touched = false;
    scale = Math.max(LEAST_FIT, Math.min(1, svg.clientWidth / width, TALLEST / height));
    svg.style.height = `${Math.max(SHORTEST, Math.min(TALLEST, height * scale))}px`;
    const spare = svg.clientWidth / scale - width;
    x = spare > 0 ? -spare / 2 : 0; // too wide: from the start
    y = (height - svg.clientHeight / scale) / 2;
    show();
  }
  /** Zoom, keeping the point at `px`, `py` (pixels within the drawing) where it is. */
  function zoom(factor, px = svg.clientWidth / 2, py = svg.clientHeight / 2) {
    touched = true;
    const next = Math.min(LARGEST, Math.max(SMALLEST, scale * factor));
    x += px / scale - px / next;
    y += py / scale - py / next;
    scale = next;
    show();
  }
  function pan(dx, dy) {
    touched = true;
    x -= dx / scale;
    y -= dy / scale;
    show();
  }

  /** Pan until a box (in the drawing's units) is in sight, if it is not. */
  function reveal(box) {
    const [wide, high] = [svg.clientWidth / scale, svg.clientHeight / scale];
    const seenX = box.x >= x && box.x + box.width <= x + wide;
    const seenY = box.y >= y && box.y + box.height <= y + high;
    if (seenX && seenY) return;
    touched = true;
    const within = (at, most) => Math.max(0, Math.min(at, most)); // no further than the drawing goes
    if (!seenX) x = within(box.x + box.width / 2 - wide / 2, width - wide);
    if (!seenY) y = within(box.y + box.height / 2 - high / 2, height - high);
    show();
  }

  svg.setAttribute("tabindex", "0");
  svg.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return; // the page scrolls
    event.preventDefault();
    const box = svg.getBoundingClientRect();
    zoom(Math.exp(-event.deltaY / 300), event.clientX - box.left, event.clientY - box.top);
  }, { passive: false });
  svg.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || event.target.closest(".node")) return;
    svg.setPointerCapture(event.pointerId);
    svg.classList.add("dragged");
    const move = (moved) => pan(moved.movementX, moved.movementY);
    svg.addEventListener("pointermove", move);
    for (const end of ["pointerup", "pointercancel"])
      svg.addEventListener(end, () => {
        svg.removeEventListener("pointermove", move);
        svg.classList.remove("dragged");
      }, { once: true });
  });
  svg.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in ARROWS) pan(...ARROWS[event.key].map((direction) => -60 * direction));
    else if (event.key === "+" || event.key === "=") zoom(STEP);
    else if (event.key === "-") zoom(1 / STEP);
    else if (event.key === "0") fit();
    else return;
    event.preventDefault();
  });
  const button = (label, text, act) => {
    const made = element("button", { type: "button", class: "icon-button", "aria-label": label, title: label }, text);
    made.addEventListener("click", act);
    return made;
  };
  svg.after(element("div", { class: "zoom" },
    button("Zoom in", "+", () => zoom(STEP)), button("Zoom out", "−", () => zoom(1 / STEP)), button("Fit the graph", "⤢", fit)));
  new ResizeObserver(() => (touched ? show() : fit())).observe(svg);
  fit();
  return { reveal };
}
