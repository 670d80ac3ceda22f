/** The list of executions, with its filters and its keys. */
import { LiveList } from "./live_list.js";
import { byId, field, formById } from "./page.js";
import { dropEmptyParameters, onHtmx } from "./refresh.js";
import { onRowKeys } from "./row_keys.js";

const form = formById("filters");
const filters = () =>
  new URLSearchParams(
    [...new FormData(form)].map(([name, value]) => [name, String(value)]).filter(([, value]) => value),
  )
    .toString();
new LiveList(filters);

function showDates() {
  byId("between").hidden = field(form, "range").value !== "between";
}

/** The heads of columns choose the order. */
document.addEventListener("click", ({ target }) => {
  const head = target instanceof Element ? target.closest("[data-sort]") : null;
  if (!(head instanceof HTMLElement)) return;
  field(form, "sort").value = head.dataset.sort ?? "";
  form.dispatchEvent(new Event("change", { bubbles: true }));
});
form.addEventListener("change", showDates);
onHtmx("historyRestore", showDates);
dropEmptyParameters();
showDates();
onRowKeys({ Enter: (row) => row.querySelector("a")?.click() });
