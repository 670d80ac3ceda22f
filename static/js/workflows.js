/** The list of workflows. */
import "./activation.js";
import { showConnection } from "./connection.js";
import { parse } from "./editor.js";
import { EventStream } from "./event_stream.js";
import { createWorkflow, saveWorkflow } from "./new_workflow.js";
import { byId, data, findById, messageOf } from "./page.js";
import { isInUse, onHtmx, refresher } from "./refresh.js";
import { toast } from "./toast.js";
import { gettext, ngettext } from "./translations.js";

const PAUSE = 1000; // ms between requests

/** The workspace for new workflows. */
const workspace = () => /** @type {HTMLInputElement | HTMLSelectElement} */ (byId("new-workspace")).value;

const create = findById("new", HTMLButtonElement);
create?.addEventListener("click", async () => {
  create.disabled = true;
  try {
    await createWorkflow(workspace());
  } catch (error) {
    create.disabled = false;
    toast(messageOf(error), "failed");
  }
});

/** The fields of an exported file that make a workflow. @param {any} exported */
function definitionOf({ name, description = "", nodes, edges = [], settings = {} }) {
  return { name, description, nodes, edges, settings };
}

/** Create the workflows of a file: one definition, or a list of them. @param {File} file @returns {Promise<any[]>} */
async function importFile(file) {
  const content = parse(await file.text());
  const created = [];
  for (const definition of Array.isArray(content) ? content : [content]) {
    if (!Array.isArray(definition?.nodes)) {
      throw new Error(gettext("the file has no list of nodes. Export a workflow as JSON."));
    }
    created.push(await saveWorkflow(workspace(), definitionOf(definition)));
  }
  return created;
}

const files = findById("import-file", HTMLInputElement);
findById("import")?.addEventListener("click", () => files?.click());
files?.addEventListener("change", async () => {
  const created = [];
  for (const file of files.files ?? []) {
    try {
      created.push(...await importFile(file));
    } catch (error) {
      toast(`${file.name}: ${messageOf(error)}`, "failed");
    }
  }
  files.value = "";
  if (created.length === 1) location.assign(`/workflows/${created[0].id}/`);
  else if (created.length) {
    toast(ngettext(
      "{count} workflow imported. It is off.",
      "{count} workflows imported. They are off.",
      created.length,
    ));
  }
});

onHtmx("beforeSwap", (detail) => {
  if (isInUse(detail.target)) detail.shouldSwap = false;
});
const connection = new EventStream();
showConnection(connection);
connection.subscribe("executions", { after: data.head, onEvents: refresher("workflows", PAUSE) });
