/** Names of workflows, which the pages of webhooks know by their ids only. */

/** Read them once. @type {Promise<Map<string, string>>} */
const names = fetch("/api/workflows/?limit=200")
  .then((answer) => (answer.ok ? answer.json() : { results: [] }))
  .then(({ results }) => new Map(results.map(({ id, name }) => [id, name])))
  .catch(() => new Map());

/** Write the names where `data-workflow` holds an id. */
export async function nameWorkflows(root = document) {
  const places = root.querySelectorAll("[data-workflow]");
  if (!places.length) return;
  const known = await names;
  for (const place of places) place.textContent = known.get(place.dataset.workflow) ?? place.textContent;
}

/** Put them into a select, after what stands there. @param {HTMLSelectElement} select */
export async function offerWorkflows(select) {
  const known = [...(await names)].sort((a, b) => a[1].localeCompare(b[1]));
  select.append(...known.map(([id, name]) => new Option(name, id)));
}
