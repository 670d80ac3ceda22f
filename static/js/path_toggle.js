/** The button that shows the critical path on the timeline. The choice is kept in this browser. */
import { findById, messageOf } from "./page.js";
import { toast } from "./toast.js";

const STORED = "critical-path";

/**
 * Let the button load and show the path, now if it was shown the last time.
 * @param {import("./timeline.js").Timeline} timeline
 * @param {(nodes: Iterable<string>) => void} onPath called with the nodes that are on it; with none when it is hidden
 */
export function offerPath(timeline, onPath) {
  const button = findById("path-toggle");
  if (!button) return;
  /** @type {import("./path_overlay.js").PathOverlay | null} */
  let overlay = null;
  /** @param {boolean} shown */
  const show = async (shown) => {
    button.setAttribute("aria-pressed", String(shown));
    findById("path-legend")?.toggleAttribute("hidden", !shown);
    try {
      if (shown && !overlay) {
        const { PathOverlay } = await import("./path_overlay.js");
        overlay ??= new PathOverlay(timeline.root, onPath);
        timeline.cover(overlay);
      }
      overlay?.show(shown);
    } catch (error) {
      toast(messageOf(error), "failed");
    }
  };
  button.addEventListener("click", () => {
    const shown = button.getAttribute("aria-pressed") !== "true";
    store(shown);
    show(shown);
  });
  if (stored()) show(true);
}

function stored() {
  try {
    return localStorage.getItem(STORED) === "on";
  } catch {
    return false; // storage may be off
  }
}

/** @param {boolean} shown */
function store(shown) {
  try {
    localStorage.setItem(STORED, shown ? "on" : "off");
  } catch {
    // The choice lasts for this page.
  }
}
