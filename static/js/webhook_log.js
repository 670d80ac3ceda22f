/** The logs of webhooks: filters in the address, and a first page that refreshes while it is not in use. */
import "./reconciliation.js";
import { byId, field, findById } from "./page.js";
import { showPayloads } from "./payloads.js";
import { dropEmptyParameters, isInUse, onHtmx } from "./refresh.js";
import { nameWorkflows } from "./workflow_names.js";

const form = findById("filters", HTMLFormElement);

/** Show the two dates if the range between two dates is chosen. @param {HTMLFormElement} filters */
function showDates(filters) {
  const dates = findById("between");
  if (dates) dates.hidden = field(filters, "range").value !== "between";
}

/** @returns {Set<string | undefined>} */
const listedIds = () =>
  new Set([.../** @type {NodeListOf<HTMLElement>} */ (byId("list").querySelectorAll("[data-id]"))].map(
    (row) => row.dataset.id,
  ));

/** @type {Set<string | undefined>} the ids listed before the list refreshed itself; empty if the filters changed */
let listedBefore = new Set();

function markNewRows() {
  if (!listedBefore.size) return;
  for (const row of /** @type {NodeListOf<HTMLElement>} */ (byId("list").querySelectorAll("[data-id]"))) {
    row.classList.toggle("fresh", !listedBefore.has(row.dataset.id));
  }
}

if (form) {
  dropEmptyParameters();
  onHtmx("beforeRequest", ({ elt }, event) => {
    if (elt.id === "list" && (document.hidden || isInUse(elt))) event.preventDefault();
  });
  onHtmx("beforeSwap", (detail) => {
    const refreshes = detail.requestConfig.elt.id === "list";
    if (refreshes && isInUse(detail.target)) detail.shouldSwap = false;
    listedBefore = refreshes ? listedIds() : new Set();
  });
  onHtmx("afterSwap", () => {
    markNewRows();
    nameWorkflows();
  });
  form.addEventListener("change", () => {
    showDates(form);
    if (!form.hasAttribute("hx-get")) form.requestSubmit();
  });
  showDates(form);
}
showPayloads();
nameWorkflows();
