/** The list of executions, with its filters. */
import { LiveList } from "./live_list.js";
import { byId, field, formById } from "./page.js";
import { dropEmptyParameters, onHtmx } from "./refresh.js";

const form = formById("filters");
const filters = () =>
  new URLSearchParams(
    [...new FormData(form)].map(([name, value]) => [name, String(value)]).filter(([, value]) => value),
  )
    .toString();
const live = new LiveList(filters);

function showDates() {
  byId("between").hidden = field(form, "range").value !== "between";
}

dropEmptyParameters();
onHtmx("afterSwap", ({ target }) => {
  if (target?.id !== "executions") live.read(); // a new list: after a change of the filters, or from the history
});
form.addEventListener("change", showDates);
showDates();
