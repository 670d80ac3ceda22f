/**
 * Popover menus. A menu opens in the top layer, so that no card cuts it: it is placed below its button. Those of the
 * top bar have their place in the style sheet.
 *
 * A dialog gives the focus back to what opened it. If that was an entry of a menu, which has closed, or a row that has
 * been replaced meanwhile, the focus goes to the menu's button, or else to the content of the page.
 */
import { byId, query } from "./page.js";

const MOVED = 8; // pixels: a menu closes when the page moves further below it
let openedAt = 0; // scroll position
/** @type {HTMLElement | null} What last had the focus outside of menus and dialogs. */
let focusedBefore = null;

document.addEventListener("toggle", (event) => {
  const menu = event.target;
  const opens = event instanceof ToggleEvent && event.newState === "open";
  if (!opens || !(menu instanceof HTMLElement) || !menu.matches(".menu:not(.bar *)")) return;
  const box = query(document, `[popovertarget="${menu.id}"]`).getBoundingClientRect();
  menu.style.left = `${Math.max(8, box.right - menu.offsetWidth)}px`;
  menu.style.top = `${Math.max(8, Math.min(box.bottom + 4, innerHeight - menu.offsetHeight - 8))}px`;
  menu.querySelector("button")?.focus({ preventScroll: true });
  openedAt = scrollY;
}, true);

document.addEventListener("keydown", (event) => {
  const menu = document.querySelector(".menu:popover-open");
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!menu || !step) return;
  const entries = /** @type {HTMLElement[]} */ ([...menu.querySelectorAll("a, button")]);
  if (!entries.length) return; // a menu of other controls, which have their own keys
  event.preventDefault();
  const next = entries.findIndex((entry) => entry === document.activeElement) + step;
  entries.at(next % entries.length)?.focus();
});

addEventListener("scroll", () => {
  const menu = document.querySelector(".menu:popover-open");
  // The event of a scroll that brought the button into view comes after the menu has opened.
  if (menu instanceof HTMLElement && Math.abs(scrollY - openedAt) > MOVED) menu.hidePopover();
}, { passive: true });

document.addEventListener("focusin", ({ target }) => {
  if (target instanceof HTMLElement && !target.closest("dialog, [popover]")) focusedBefore = target;
});

document.addEventListener("close", ({ target }) => {
  const active = document.activeElement;
  if (!(target instanceof HTMLDialogElement) || (active !== document.body && !target.contains(active))) return;
  const to = focusedBefore?.checkVisibility() ? focusedBefore : byId("content");
  if (to.id === "content") to.tabIndex = -1;
  to.focus({ preventScroll: true });
}, true);
