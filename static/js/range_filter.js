/** The time range of a list's filters: the two times are shown for "between". */
import { byId, field } from "./page.js";
import { dropEmptyParameters, onHtmx } from "./refresh.js";

/** @param {HTMLFormElement} form */
export function followRange(form) {
  const show = () => {
    byId("between").hidden = field(form, "range").value !== "between";
  };
  form.addEventListener("change", show);
  onHtmx("historyRestore", show);
  dropEmptyParameters();
  show();
}
