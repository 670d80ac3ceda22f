/** Tabs as the ARIA Authoring Practices describe them: one is in the tab order, arrows, Home and End move. */
import { element } from "./page.js";

/** @typedef {{ id: string, label: string, count?: number, panel: HTMLElement }} Tab */

let lists = 0;

/**
 * Return a list of tabs and their panels, of which one is shown.
 * @param {string} label
 * @param {Tab[]} tabs
 * @param {string} chosen the id of the tab that is shown first
 * @param {(id: string) => void} onChoose also called for the first
 * @returns {HTMLElement[]}
 */
export function tabsView(label, tabs, chosen, onChoose) {
  const prefix = `tabs-${++lists}`;
  const buttons = tabs.map(({ id, label, count, panel }) => {
    const button = element("button", { type: "button", role: "tab", id: `${prefix}-${id}`, "data-tab": id }, label);
    if (count) button.append(element("small", {}, String(count)));
    button.setAttribute("aria-controls", `${prefix}-${id}-panel`);
    panel.id = `${prefix}-${id}-panel`;
    panel.setAttribute("role", "tabpanel");
    panel.setAttribute("aria-labelledby", button.id);
    panel.tabIndex = 0;
    return button;
  });
  /** @param {number} index @param {boolean} focus */
  const choose = (index, focus) => {
    buttons.forEach((button, at) => {
      button.setAttribute("aria-selected", String(at === index));
      button.tabIndex = at === index ? 0 : -1;
      tabs[at].panel.hidden = at !== index;
    });
    if (focus) buttons[index].focus();
    onChoose(tabs[index].id);
  };
  const list = element("div", { class: "tab-list", role: "tablist", "aria-label": label }, ...buttons);
  buttons.forEach((button, index) => button.addEventListener("click", () => choose(index, false)));
  list.addEventListener("keydown", (event) => {
    const at = buttons.findIndex((button) => button.getAttribute("aria-selected") === "true");
    /** @type {Record<string, number>} */
    const steps = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: buttons.length - 1 };
    if (!(event.key in steps)) return;
    event.preventDefault();
    choose((steps[event.key] + buttons.length) % buttons.length, true);
  });
  choose(Math.max(0, tabs.findIndex((tab) => tab.id === chosen)), false);
  return [list, ...tabs.map((tab) => tab.panel)];
}
