/** The list of executions, with its filters and its keys. */
import { LiveList } from "./live_list.js";
import { field, formById } from "./page.js";
import { followRange } from "./range_filter.js";
import { onRowKeys } from "./row_keys.js";

const form = formById("filters");
const filters = () =>
  new URLSearchParams(
    [...new FormData(form)].map(([name, value]) => [name, String(value)]).filter(([, value]) => value),
  )
    .toString();
new LiveList(filters);

/** The heads of columns choose the order. */
document.addEventListener("click", ({ target }) => {
  const head = target instanceof Element ? target.closest("[data-sort]") : null;
  if (!(head instanceof HTMLElement)) return;
  field(form, "sort").value = head.dataset.sort ?? "";
  form.dispatchEvent(new Event("change", { bubbles: true }));
});
/** A filter that has no control of its own is removed by its button. */
document.addEventListener("click", ({ target }) => {
  const button = target instanceof Element ? target.closest("[data-remove-filter]") : null;
  if (!(button instanceof HTMLElement)) return;
  field(form, button.dataset.removeFilter ?? "").value = "";
  form.dispatchEvent(new Event("change", { bubbles: true }));
});
followRange(form);
onRowKeys({ Enter: (row) => row.querySelector("a")?.click() });
