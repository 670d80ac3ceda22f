/** The list of workflows. */
import "./activation.js";
import { showConnection } from "./connection.js";
import { parse } from "./editor.js";
import { EventStream } from "./event_stream.js";
import { byId, data, findById, messageOf, send } from "./page.js";
import { isInUse, onHtmx, refresher } from "./refresh.js";
import { toast } from "./toast.js";

const PAUSE = 1000; // ms between requests

/** A valid workflow: a trigger, and one node to change. */
const MINIMAL = {
  name: "New workflow",
  description: "",
  nodes: [
    { id: "start", name: "Start", type: "manual_trigger", parameters: {}, position: [0, 0] },
    {
      id: "greet",
      name: "Greet",
      type: "set",
      parameters: { fields: { greeting: "Hello, {{ $json.name || 'world' }}!" } },
      position: [260, 0],
    },
  ],
  edges: [{ source: "start", target: "greet" }],
  settings: { sample_input: [{ name: "Ada" }] },
};

/** Create a workflow in the chosen workspace. @param {any} definition */
function save(definition) {
  const workspace = /** @type {HTMLInputElement | HTMLSelectElement} */ (byId("new-workspace")).value;
  return send("POST", "/api/workflows/", { ...definition, workspace });
}

const create = findById("new", HTMLButtonElement);
create?.addEventListener("click", async () => {
  create.disabled = true;
  try {
    const workflow = await save(MINIMAL);
    location.assign(`/workflows/${workflow.id}/`);
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
    if (!Array.isArray(definition?.nodes)) throw new Error("the file has no list of nodes. Export a workflow as JSON.");
    created.push(await save(definitionOf(definition)));
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
  else if (created.length) toast(`${created.length} workflows imported. They are off.`);
});

onHtmx("beforeSwap", (detail) => {
  if (isInUse(detail.target)) detail.shouldSwap = false;
});
const connection = new EventStream();
showConnection(connection);
connection.subscribe("executions", { after: data.head, onEvents: refresher("workflows", PAUSE) });
