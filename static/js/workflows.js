/** The list of workflows. */
import "./activation.js";
import { showConnection } from "./connection.js";
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

const create = findById("new", HTMLButtonElement);
create?.addEventListener("click", async () => {
  create.disabled = true;
  try {
    const workspace = /** @type {HTMLInputElement | HTMLSelectElement} */ (byId("new-workspace")).value;
    const workflow = await send("POST", "/api/workflows/", { ...MINIMAL, workspace });
    location.assign(`/workflows/${workflow.id}/`);
  } catch (error) {
    create.disabled = false;
    toast(messageOf(error), "failed");
  }
});

onHtmx("beforeSwap", (detail) => {
  if (isInUse(detail.target)) detail.shouldSwap = false;
});
const connection = new EventStream();
showConnection(connection);
connection.subscribe("executions", { after: data.head, onEvents: refresher("workflows", PAUSE) });
