import "./activation.js";
import { JsonEditor, parse } from "./editor.js";
import { renderGraph } from "./graph.js";
import { HookTests } from "./hook_tests.js";
import { LiveList } from "./live_list.js";
import { by, data, element, send } from "./page.js";
import { keepTrue } from "./schedules.js";
import { toastLater } from "./toast.js";

const PAUSE_BEFORE_CHECK = 600; // ms without a keystroke
const graph = renderGraph(by("graph"), data.graph, choose);
const editor = new JsonEditor(by("json"), by("gutter"));
editor.set(data.definition);
const saved = editor.text;
let pause = null;
let checks = 0;

/** Show a node in the graph and where the definition has it. */
function choose(node) {
  graph.choose(node);
  const line = editor.lineOf(node);
  if (line) editor.goTo(line);
}

function say(text, status) {
  by("edit-state").textContent = text;
  by("edit-state").dataset.status = status;
}

/** List problems by node and field, mark their lines, and colour their nodes. */
function show(problems) {
  const names = new Map(data.graph.nodes.map((node) => [node.id, node.name]));
  for (const id of names.keys()) graph.setNode(id, "", "");
  const lines = [];
  by("problems").replaceChildren(...problems.slice(0, 50).map((problem) => {
    const line = problem.line ?? (problem.node ? editor.lineOf(problem.node, problem.field ?? "") : null);
    if (line) lines.push(line);
    if (problem.node) graph.setNode(problem.node, "failed", problem.message);
    const where = problem.node ? names.get(problem.node) ?? problem.node : Number.isInteger(problem.edge) ? `edge ${problem.edge}` : "";
    const button = element("button", { type: "button" }, element("b", {}, where), element("code", {}, problem.field ?? ""), element("span", {}, problem.message));
    button.addEventListener("click", () => {
      if (problem.node) graph.choose(problem.node);
      if (line) editor.goTo(line);
    });
    return element("li", {}, button);
  }));
  by("problems").hidden = problems.length === 0;
  editor.mark(lines);
  say(problems.length ? `${problems.length} problem${problems.length > 1 ? "s" : ""}` : "Valid", problems.length ? "failed" : "completed");
}

const asProblems = (error) => (error.errors.length ? error.errors : [{ message: error.message, line: error.line }]);

/** Check what the editor holds. An answer that a later check has overtaken is dropped. */
async function check() {
  const number = ++checks;
  try {
    const { nodes, edges } = parse(editor.text);
    const { errors } = await send("POST", "/api/workflows/validate/", { nodes, edges });
    if (number === checks) show(errors);
  } catch (error) {
    if (number === checks) show(asProblems(error));
  }
}

async function save(event) {
  event?.preventDefault();
  if (!by("save") || by("save").disabled) return;
  by("save").disabled = true;
  say("Saving …", "running");
  try {
    const answer = await send("PATCH", `/api/workflows/${data.workflow}/`, parse(editor.text));
    removeEventListener("beforeunload", warn);
    toastLater(`Saved as version ${answer.version}.`);
    location.assign(location.pathname);
  } catch (error) {
    show(asProblems(error));
    by("save").disabled = false;
  }
}

function warn(event) {
  if (editor.text !== saved) event.preventDefault();
}

by("json").addEventListener("input", () => {
  if (by("save")) by("save").disabled = editor.text === saved;
  say(editor.text === saved ? "" : "Changed", "queued");
  clearTimeout(pause);
  pause = setTimeout(check, PAUSE_BEFORE_CHECK);
});
by("json").addEventListener("keydown", (event) => (event.ctrlKey || event.metaKey) && event.key === "s" && save(event));
by("validate").addEventListener("click", check);
by("definition").addEventListener("submit", save);
by("format").addEventListener("click", () => {
  try {
    editor.format();
  } catch (error) {
    show(asProblems(error));
  }
});
addEventListener("beforeunload", warn);
if (by("save") && new URLSearchParams(location.search).has("version")) by("save").disabled = false;

async function run(event) {
  event.preventDefault();
  const button = by("run").querySelector("button");
  by("run-error").hidden = button.disabled = true;
  try {
    const priority = by("run").elements.priority.value;
    const execution = await send("POST", `/api/workflows/${data.workflow}/execute/`, { input: parse(by("input").value || "[]"), priority });
    location.assign(`/executions/${execution.id}/`);
  } catch (error) {
    by("run-error").hidden = button.disabled = false;
    by("run-error").textContent = error.message;
  }
}

if (by("run")) {
  by("input").value = JSON.stringify(data.sample_input, null, 2);
  by("run").addEventListener("submit", run);
  by("input").addEventListener("keydown", (event) => (event.ctrlKey || event.metaKey) && event.key === "Enter" && run(event));
}

const { filters } = JSON.parse(by("list-data").textContent);
const tests = by("hook-tests") && new HookTests(by("hook-tests"), data.workflow, data.hook_requests);
new LiveList(() => filters, (events) => tests?.take(events));
if (by("schedules")) keepTrue(by("schedules"), data.workflow);
