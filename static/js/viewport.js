/** Zoom, pan and fit of an SVG drawing: buttons, keys (+ − 0 arrows), dragging, and Ctrl with the wheel or a pinch. */
import { element } from "./page.js";
import { gettext } from "./translations.js";

/** @import { Box } from "./types.js" */

const STEP = 1.25;
const MAX_SCALE = 2.5;
const MIN_SCALE = 0.1;
const MIN_FIT = 0.8; // below this, names are smaller than 10 pixels: a large graph is panned instead
const [MIN_HEIGHT, MAX_HEIGHT] = [180, 480]; // pixels
const PAN = 60; // pixels per key
/** @type {Record<string, [number, number]>} */
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/**
 * @param {SVGSVGElement} svg
 * @param {number} width of the drawing, in its units
 * @param {number} height
 * @param {(box: Box, all: boolean) => void} [onShow] called with the part in sight, in units, and whether it is everything
 * @returns {{reveal: (box: Box) => void, center: (x: number, y: number) => void}}
 */
export function viewport(svg, width, height, onShow = () => {}) {
  let scale = 1; // pixels per unit
  let [x, y] = [0, 0]; // the upper left corner, in units
  let touched = false;
  const paper = matchMedia("print"); // which shows everything
  paper.addEventListener("change", show);
  /** @type {Box | null} what to show once the drawing is in sight */
  let wanted = null;
  /** Of the drawing's element, in pixels. Kept: to ask for it costs a layout. */
  let size = { width: svg.clientWidth, height: svg.clientHeight };

  function show() {
    const part = `${x} ${y} ${size.width / scale} ${size.height / scale}`;
    svg.setAttribute("viewBox", paper.matches ? `0 0 ${width} ${height}` : part);
    svg.dataset.scale = scale.toFixed(3);
    const box = { x, y, width: size.width / scale, height: size.height / scale };
    onShow(box, x <= 0 && y <= 0 && x + box.width >= width && y + box.height >= height);
  }
  function fit() {
    if (!size.width) return; // not in sight
    touched = false;
    scale = Math.max(MIN_FIT, Math.min(1, size.width / width, MAX_HEIGHT / height));
    size.height = Math.max(MIN_HEIGHT, Math.min(MAX_HEIGHT, height)); // as the page has reserved
    svg.style.height = `${size.height}px`;
    const spare = size.width / scale - width;
    x = spare > 0 ? -spare / 2 : 0; // a drawing that is too wide starts at its left edge
    const over = size.height / scale - height;
    y = over > 0 ? -over / 2 : 0;
    show();
  }
  /** Zoom around the point `px`, `py`, in pixels. @param {number} factor */
  function zoom(factor, px = size.width / 2, py = size.height / 2) {
    touched = true;
    const next = Math.min(MAX_SCALE, Math.max(MIN_SCALE, scale * factor));
    x += px / scale - px / next;
    y += py / scale - py / next;
    scale = next;
    show();
  }
  /** @param {number} dx @param {number} dy */
  function pan(dx, dy) {
    touched = true;
    x -= dx / scale;
    y -= dy / scale;
    show();
  }

  /** Put a point in the middle, as far as there is something around it. @param {number} toX @param {number} toY */
  function center(toX, toY) {
    touched = true;
    const [visibleWidth, visibleHeight] = [size.width / scale, size.height / scale];
    x = Math.max(
      Math.min(0, width - visibleWidth),
      Math.min(toX - visibleWidth / 2, Math.max(0, width - visibleWidth)),
    );
    y = Math.max(
      Math.min(0, height - visibleHeight),
      Math.min(toY - visibleHeight / 2, Math.max(0, height - visibleHeight)),
    );
    show();
  }

  /** Pan until a box, in units, is visible. @param {Box} box */
  function reveal(box) {
    wanted = size.width ? null : box;
    if (wanted) return;
    const [visibleWidth, visibleHeight] = [size.width / scale, size.height / scale];
    const fitsX = box.x >= x && box.x + box.width <= x + visibleWidth;
    const fitsY = box.y >= y && box.y + box.height <= y + visibleHeight;
    if (fitsX && fitsY) return;
    touched = true;
    /** @param {number} position @param {number} max */
    const clamp = (position, max) => Math.max(0, Math.min(position, max));
    if (!fitsX) x = clamp(box.x + box.width / 2 - visibleWidth / 2, width - visibleWidth);
    if (!fitsY) y = clamp(box.y + box.height / 2 - visibleHeight / 2, height - visibleHeight);
    show();
  }

  /** @param {PointerEvent} event */
  function drag(event) {
    if (event.button !== 0 || (event.target instanceof Element && event.target.closest(".node"))) return;
    svg.setPointerCapture(event.pointerId);
    svg.classList.add("dragged");
    /** @param {PointerEvent} moved */
    const move = (moved) => pan(moved.movementX, moved.movementY);
    const stop = () => {
      svg.removeEventListener("pointermove", move);
      svg.classList.remove("dragged");
    };
    svg.addEventListener("pointermove", move);
    for (const end of ["pointerup", "pointercancel"]) svg.addEventListener(end, stop, { once: true });
  }

  svg.setAttribute("tabindex", "0");
  svg.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return; // the page scrolls
    event.preventDefault();
    const box = svg.getBoundingClientRect();
    zoom(Math.exp(-event.deltaY / 300), event.clientX - box.left, event.clientY - box.top);
  }, { passive: false });
  svg.addEventListener("pointerdown", drag);
  svg.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const arrow = ARROWS[event.key];
    if (arrow) pan(-PAN * arrow[0], -PAN * arrow[1]);
    else if (event.key === "+" || event.key === "=") zoom(STEP);
    else if (event.key === "-") zoom(1 / STEP);
    else if (event.key === "0") fit();
    else return;
    event.preventDefault();
  });
  /** @param {string} label @param {string} text @param {() => void} act */
  const button = (label, text, act) => {
    const created = element(
      "button",
      { type: "button", class: "icon-button", "aria-label": label, title: label },
      text,
    );
    created.addEventListener("click", act);
    return created;
  };
  svg.after(element(
    "div",
    { class: "zoom" },
    button(gettext("Zoom in"), "+", () => zoom(STEP)),
    button(gettext("Zoom out"), "−", () => zoom(1 / STEP)),
    button(gettext("Fit to view"), "⤢", fit),
  ));
  new ResizeObserver(([{ contentRect }]) => {
    size = { width: contentRect.width, height: contentRect.height };
    if (!size.width) return;
    if (touched) show();
    else fit();
    if (wanted) reveal(wanted);
  }).observe(svg);
  fit();
  return { reveal, center };
}
