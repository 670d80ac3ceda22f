/** The tracks of the timeline: one SVG path for each kind of part, so that thousands of bars are a few elements. */

const SVG = "http://www.w3.org/2000/svg";
/** The kinds of paths from the bottom to the top. */
const ORDER = [
  ...["queue", "wait", "retry", "ran", "running", "cancelled"],
  ...["busy-1", "busy-2", "busy-3", "busy-4", "failed", "mark", "picked"],
];

export class Track {
  /** @type {Map<string, SVGPathElement>} */
  #paths = new Map();
  svg = document.createElementNS(SVG, "svg");

  constructor() {
    this.svg.setAttribute("aria-hidden", "true");
  }

  /** @param {Map<string, string>} paths by kind */
  show(paths) {
    for (const [kind, path] of this.#paths) {
      if (paths.has(kind)) continue;
      path.remove();
      this.#paths.delete(kind);
    }
    for (const [kind, d] of paths) {
      let path = this.#paths.get(kind);
      if (!path) {
        path = document.createElementNS(SVG, "path");
        path.setAttribute("class", kind);
        this.#paths.set(kind, path);
        const above = ORDER.slice(ORDER.indexOf(kind) + 1).find((each) => this.#paths.has(each));
        this.svg.insertBefore(path, above ? this.#paths.get(above) ?? null : null);
      }
      if (path.getAttribute("d") !== d) path.setAttribute("d", d);
    }
  }
}
