/** Failures by cause, with their filters. */
import { formById } from "./page.js";
import { onHtmx } from "./refresh.js";
import { followRange } from "./range_filter.js";

const form = formById("filters");
followRange(form);
// "Any time" is said in the address: without a range the page shows the last days.
onHtmx("configRequest", ({ parameters }) => {
  if (!parameters.range) parameters.range = "";
});
