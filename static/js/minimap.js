/** A small picture of the whole graph, with a frame around the part in sight. A click or a drag moves the frame. */

/** @import { Box, Layout } from "./types.js" */

const SVG = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT] = [168, 96]; // pixels, at most

export class Minimap {
  /** @type {Map<string, SVGElement>} */
  #nodes = new Map();

  /** @param {Layout} layout @param {(x: number, y: number) => void} onMove called with the new middle, in units */
  constructor(layout, onMove) {
    const scale = Math.min(WIDTH / layout.width, HEIGHT / layout.height);
    this.svg = document.createElementNS(SVG, "svg");
    for (
      const [name, value] of Object.entries({
        class: "minimap",
        viewBox: `0 0 ${layout.width} ${layout.height}`,
        "aria-hidden": "true", // the keyboard moves the graph itself
      })
    ) this.svg.setAttribute(name, String(value));
    [this.svg.style.width, this.svg.style.height] = [layout.width, layout.height].map((units) => `${units * scale}px`);
    for (const [id, box] of Object.entries(layout.nodes)) this.#nodes.set(id, this.#rect("mini-node", box));
    this.frame = this.#rect("frame", { x: 0, y: 0, width: 0, height: 0 });
    this.svg.append(...this.#nodes.values(), this.frame);
    /** @param {PointerEvent} event */
    const move = (event) => {
      const box = this.svg.getBoundingClientRect();
      onMove((event.clientX - box.left) / scale, (event.clientY - box.top) / scale);
    };
    this.svg.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      this.svg.setPointerCapture(event.pointerId);
      move(event);
      this.svg.addEventListener("pointermove", move);
    });
    for (const end of ["pointerup", "pointercancel"]) {
      this.svg.addEventListener(end, () => this.svg.removeEventListener("pointermove", move));
    }
  }

  /** @param {string} name @param {Box} box */
  #rect(name, { x, y, width, height }) {
    const rect = document.createElementNS(SVG, "rect");
    for (const [key, value] of Object.entries({ class: name, x, y, width, height, rx: 8 })) {
      rect.setAttribute(key, String(value));
    }
    return rect;
  }

  /** @param {string} id @param {string} status */
  setNode(id, status) {
    const rect = this.#nodes.get(id);
    if (status) rect?.setAttribute("data-status", status);
    else rect?.removeAttribute("data-status");
  }

  /** Show which part is in sight; hide the map if that is everything. @param {Box} box @param {boolean} all */
  show({ x, y, width, height }, all) {
    this.svg.classList.toggle("whole", all);
    for (const [key, value] of Object.entries({ x, y, width, height })) this.frame.setAttribute(key, String(value));
  }
}
