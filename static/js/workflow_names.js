/** Names of workflows, for the webhook pages, which only have ids. */
import { fetchJson } from "./page.js";

/** @type {Promise<Map<string, string>>} */
const names = fetchJson("/api/workflows/?limit=200").then(
  ({ results }) => new Map(results.map((/** @type {{id: string, name: string}} */ { id, name }) => [id, name])),
  () => new Map(),
);

/** Write the names where `data-workflow` holds an id. */
export async function nameWorkflows() {
  const labels = /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-workflow]"));
  if (!labels.length) return;
  const known = await names;
  for (const label of labels) label.textContent = known.get(label.dataset.workflow ?? "") ?? label.textContent;
}

/** Add the workflows to a select, sorted by name. @param {HTMLSelectElement} select */
export async function offerWorkflows(select) {
  const known = [...(await names)].sort((a, b) => a[1].localeCompare(b[1]));
  select.append(...known.map(([id, name]) => new Option(name, id)));
}
