import { renderGraph } from "./graph.js";
import { by, data, element, send } from "./page.js";

const graph = renderGraph(by("graph"), data.graph, (id) => graph.choose(id));
by("json").value = JSON.stringify(data.definition, null, 2);
by("input").value = JSON.stringify(data.sample_input, null, 2);

function read(id) {
  try {
    return JSON.parse(by(id).value);
  } catch (error) {
    throw Object.assign(new Error(`Not JSON: ${error.message}`), { errors: [] });
  }
}

function show(problems) {
  by("problems").replaceChildren(...problems.map((p) => element("li", {}, `${p.node ?? (p.edge === null || p.edge === undefined ? "" : `edge ${p.edge}`)} ${p.field ?? ""}: ${p.message}`)));
  if (problems[0]?.node) graph.choose(problems[0].node);
}

by("validate").addEventListener("click", async () => {
  try {
    const { valid, errors } = await send("POST", "/api/workflows/validate/", read("json"));
    show(errors);
    if (valid) by("problems").replaceChildren(element("li", {}, "Valid."));
  } catch (error) {
    show([{ message: error.message }]);
  }
});

by("definition").addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    await send("PATCH", `/api/workflows/${data.workflow}/`, read("json"));
    location.reload();
  } catch (error) {
    show(error.errors.length ? error.errors : [{ message: error.message }]);
  }
});

by("run").addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    const execution = await send("POST", `/api/workflows/${data.workflow}/execute/`, { input: read("input") });
    location.assign(`/executions/${execution.id}/`);
  } catch (error) {
    by("run-error").hidden = false;
    by("run-error").textContent = error.message;
  }
});
