import "./activation.js";
import { showConnection } from "./connection.js";
import { EventStream } from "./event_stream.js";
import { by, data, send } from "./page.js";
import { tell } from "./times.js";
import { toast } from "./toast.js";

const BETWEEN_REQUESTS = 1000; // ms
let waiting = false;

/** A workflow that is valid and runs: a trigger and one node to change. */
const MINIMAL = {
  name: "New workflow",
  description: "",
  nodes: [
    { id: "start", name: "Start", type: "manual_trigger", parameters: {}, position: [0, 0] },
    { id: "greet", name: "Greet", type: "set", parameters: { fields: { greeting: "Hello, {{ $json.name || 'world' }}!" } }, position: [260, 0] },
  ],
  edges: [{ source: "start", target: "greet" }],
  settings: { sample_input: [{ name: "Ada" }] },
};

by("new")?.addEventListener("click", async (event) => {
  event.currentTarget.disabled = true;
  try {
    const made = await send("POST", "/api/workflows/", { ...MINIMAL, workspace: by("new-workspace").value });
    location.assign(`/workflows/${made.id}/`);
  } catch (error) {
    by("new").disabled = false;
    toast(error.message, "failed");
  }
});

/** Show the list as the server has it now, at most once a second. */
function refresh() {
  if (waiting) return;
  waiting = true;
  setTimeout(async () => {
    waiting = false;
    const answer = await fetch(location.href);
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("workflows");
    if (fresh && !by("workflows").contains(document.activeElement)) by("workflows").replaceWith(fresh);
    tell();
  }, BETWEEN_REQUESTS);
}

const connection = new EventStream();
showConnection(connection);
connection.subscribe("executions", { after: data.head, onEvents: refresh });
tell();
