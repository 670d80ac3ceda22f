/** New workflows: a working example to start from. */
import { send } from "./page.js";

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

/** Create a workflow in a workspace. Throws a RequestError. @param {string} workspace @param {any} definition */
export const saveWorkflow = (workspace, definition) => send("POST", "/api/workflows/", { ...definition, workspace });

/** Create the example in a workspace, and open it. Throws a RequestError. @param {string} workspace */
export async function createWorkflow(workspace) {
  const workflow = await saveWorkflow(workspace, MINIMAL);
  location.assign(`/workflows/${workflow.id}/`);
}
