/** Popover menus. A menu opens in the top layer, so that no card cuts it: it is placed below its button. */
import { query } from "./page.js";

document.addEventListener("toggle", (event) => {
  const menu = event.target;
  const opens = event instanceof ToggleEvent && event.newState === "open";
  if (!opens || !(menu instanceof HTMLElement) || !menu.classList.contains("menu")) return;
  const box = query(document, `[popovertarget="${menu.id}"]`).getBoundingClientRect();
  menu.style.left = `${Math.max(8, box.right - menu.offsetWidth)}px`;
  menu.style.top = `${Math.max(8, Math.min(box.bottom + 4, innerHeight - menu.offsetHeight - 8))}px`;
  menu.querySelector("button")?.focus();
}, true);

document.addEventListener("keydown", (event) => {
  const menu = document.querySelector(".menu:popover-open");
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!menu || !step) return;
  event.preventDefault();
  const buttons = [...menu.querySelectorAll("button")];
  const next = buttons.findIndex((button) => button === document.activeElement) + step;
  buttons.at(next % buttons.length)?.focus();
});

addEventListener("scroll", () => {
  const menu = document.querySelector(".menu:popover-open");
  if (menu instanceof HTMLElement) menu.hidePopover();
}, { passive: true });
