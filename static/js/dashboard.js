/** The list of executions: its filters, its keys, and what is done with the selected rows. */
import { BulkDialog } from "./bulk.js";
import { followColumns, shownColumns } from "./columns.js";
import { LiveList } from "./live_list.js";
import { field, findById, findField, formById } from "./page.js";
import { followRange } from "./range_filter.js";
import { onRowKeys } from "./row_keys.js";
import { followViews } from "./saved_views.js";
import { Selection } from "./selection.js";
import { isoMoment } from "./time_inputs.js";
import { toast } from "./toast.js";
import { gettext } from "./translations.js";

const form = formById("filters");
const filters = () =>
  new URLSearchParams(
    [...new FormData(form)].map(([name, value]) => [name, String(value)]).filter(([, value]) => value),
  )
    .toString();
const live = new LiveList(filters);
followRange(form);
followColumns();
followViews(() => {
  const chosen = new URLSearchParams(filters());
  chosen.set("columns", shownColumns().join(","));
  return chosen.toString();
});

/** @param {string} name @param {string} value */
function setFilter(name, value) {
  field(form, name).value = value;
  form.dispatchEvent(new Event("change", { bubbles: true }));
}

const HOURS = new Map([["1h", 1], ["24h", 24], ["7d", 7 * 24], ["30d", 30 * 24]]);

/** The filter of the list, as the API takes it. */
function apiFilter() {
  const chosen = new FormData(form);
  /** @type {Record<string, any>} */
  const filter = {};
  for (const name of ["workflow", "mode", "q", "cause", "failed_node", "text"]) {
    if (chosen.get(name)) filter[name] = chosen.get(name);
  }
  for (const name of ["version", "min_duration", "max_duration"]) {
    if (chosen.get(name)) filter[name] = Number(chosen.get(name));
  }
  for (const name of ["node_ran", "node_failed"]) {
    if (filter.workflow && chosen.get(name)) filter[name] = chosen.get(name);
  }
  const { attributes = [] } = live.list;
  if (attributes.length) filter.attribute = attributes;
  if (chosen.getAll("status").length) filter.status = chosen.getAll("status");
  if (chosen.get("trigger")) filter.trigger = [chosen.get("trigger")];
  const hours = HOURS.get(String(chosen.get("range")));
  if (hours) filter.since = new Date(Date.now() - hours * 3_600_000).toISOString();
  else {
    for (const name of ["since", "until"]) {
      if (chosen.get(name)) filter[name] = isoMoment(String(chosen.get(name)));
    }
  }
  // The filter of an operation says something, even if it is everything until now.
  return Object.keys(filter).length ? filter : { until: new Date().toISOString() };
}

if (findById("bulk")) {
  const selection = new Selection();
  const dialog = new BulkDialog(() => {
    selection.clear();
    live.showNew();
  });
  document.addEventListener("click", ({ target }) => {
    const kind = target instanceof HTMLElement ? target.dataset.bulk : undefined;
    if (!kind) return;
    const workspace = findField(form, "workspace");
    const several = workspace instanceof HTMLSelectElement && !workspace.value;
    if (several && (selection.all || !selection.workspace)) {
      const text = gettext(
        "Choose a workspace in the filters first: an operation changes executions of one workspace.",
      );
      toast(text, "failed");
      return;
    }
    dialog.open(kind, {
      workspace: workspace?.value || selection.workspace,
      filter: selection.all ? apiFilter() : { ids: selection.ids },
    });
  });
  onRowKeys({ Enter: (row) => row.querySelector("a")?.click(), x: (row) => selection.toggle(row) });
} else {
  onRowKeys({ Enter: (row) => row.querySelector("a")?.click() });
}

document.addEventListener("click", ({ target }) => {
  const button = target instanceof Element ? target.closest("[data-sort], [data-remove-filter]") : null;
  if (!(button instanceof HTMLElement)) return;
  const { sort, removeFilter } = button.dataset;
  if (sort !== undefined) setFilter("sort", sort); // the heads of columns choose the order
  if (removeFilter) setFilter(removeFilter, ""); // a filter that has no control of its own
});
