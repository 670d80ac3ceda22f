/** The columns of the list: chosen for oneself or, in a saved view that has its own, for the list that is shown. */
import "./menus.js";
import { buttonById, byId, field, formById, messageOf, query, send } from "./page.js";
import { swapFrom } from "./refresh.js";
import { toast } from "./toast.js";

const USUAL = ["trigger", "version", "queued", "duration"];
const form = formById("filters");

const boxes = () => /** @type {HTMLInputElement[]} */ ([...byId("columns").querySelectorAll("input")]);

/** The names of the columns that are shown. */
export const shownColumns = () => boxes().filter((box) => box.checked).map((box) => box.value);

/** @param {string[]} columns */
async function show(columns) {
  const own = field(form, "columns");
  if (own.value) { // those of the view
    own.value = columns.join(",") || "queued";
    form.dispatchEvent(new Event("change", { bubbles: true }));
    return;
  }
  try {
    await send("PUT", "/api/executions/columns/", { columns });
    await swapFrom("list", location.href);
  } catch (error) {
    toast(messageOf(error), "failed");
  }
}

export function followColumns() {
  const menu = query(document, "#columns-menu");
  menu.addEventListener("change", () => show(shownColumns()));
  buttonById("usual-columns").addEventListener("click", () => {
    for (const box of boxes()) box.checked = USUAL.includes(box.value);
    show(USUAL);
  });
}
