/** Names of workflows, for pages that only have their ids. */
import { fetchJson } from "./page.js";

const MOST_PAGES = 10; // of 200 workflows

/** Fetch the names of all workflows by id, and nothing else of them. @returns {Promise<Map<string, string>>} */
async function fetchNames() {
  const names = new Map();
  /** @type {string | null} */
  let path = "/api/workflows/?fields=id,name&limit=200";
  for (let page = 0; path && page < MOST_PAGES; page += 1) {
    /** @type {{results: {id: string, name: string}[], next: string | null}} */
    const { results, next } = await fetchJson(path);
    for (const { id, name } of results) names.set(id, name);
    path = next && new URL(next).pathname + new URL(next).search;
  }
  return names;
}

export const workflowNames = fetchNames().catch(() => new Map());

/** Write the names where `data-workflow` holds an id. */
export async function nameWorkflows() {
  const labels = /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-workflow]"));
  if (!labels.length) return;
  const known = await workflowNames;
  for (const label of labels) label.textContent = known.get(label.dataset.workflow ?? "") ?? label.textContent;
}

/** Add the workflows to a select, sorted by name. @param {HTMLSelectElement} select */
export async function offerWorkflows(select) {
  const known = [...(await workflowNames)].sort((a, b) => a[1].localeCompare(b[1]));
  select.append(...known.map(([id, name]) => new Option(name, id)));
}
