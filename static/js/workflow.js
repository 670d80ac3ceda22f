/** The page of a workflow: its graph, its definition as JSON, a form to run it, and its recent executions. */
import "./activation.js";
import { InvalidJson, JsonEditor, parse } from "./editor.js";
import { write } from "./exact_json.js";
import { renderGraph } from "./graph.js";
import { HookTests } from "./hook_tests.js";
import { LiveList } from "./live_list.js";
import { byId, data, element, errorsOf, field, findById, formById, messageOf, query, send } from "./page.js";
import { followSchedules } from "./schedules.js";
import { offerOverwrite, staleVersion } from "./stale_version.js";
import { showStatistics } from "./statistics.js";
import { showStaticData } from "./static_data.js";
import { toastLater } from "./toast.js";
import { gettext, ngettext } from "./translations.js";
import { followMenu } from "./workflow_menu.js";

/** @import { FieldProblem } from "./types.js" */

const PAUSE_BEFORE_CHECK = 600; // ms without a keystroke
const MAX_PROBLEMS = 50;
const graph = renderGraph(byId("graph", SVGSVGElement), data.graph, choose);
const area = byId("json", HTMLTextAreaElement);
const editor = new JsonEditor(area, byId("gutter"));
editor.set(data.definition);
const saved = editor.text;
const saveButton = findById("save", HTMLButtonElement);
let typing = 0;
let checks = 0;

/** Whether Ctrl or Command and this key are pressed. @param {KeyboardEvent} event @param {string} key */
const isShortcut = (event, key) => (event.ctrlKey || event.metaKey) && event.key === key;

/** Show a node in the graph and in the definition. @param {string} node */
function choose(node) {
  graph.choose(node);
  const line = editor.lineOf(node);
  if (line) editor.goTo(line);
}

/** @param {string} text @param {string} status */
function showState(text, status) {
  byId("edit-state").textContent = text;
  byId("edit-state").dataset.status = status;
}

/** @param {FieldProblem} problem @param {number | null} line @param {Map<string, string>} names of the nodes */
function problemButton(problem, line, names) {
  const { node, edge, message } = problem;
  const place = node
    ? names.get(node) ?? node
    : Number.isInteger(edge)
    ? gettext("edge {number}", { number: Number(edge) })
    : "";
  const button = element(
    "button",
    { type: "button" },
    element("b", {}, place),
    element("code", {}, problem.field ?? ""),
    element("span", {}, message),
  );
  button.addEventListener("click", () => {
    if (node) graph.choose(node);
    if (line) editor.goTo(line);
  });
  return button;
}

/** List the problems, mark their lines and nodes. @param {FieldProblem[]} problems */
function show(problems) {
  const names = new Map(data.graph.nodes.map((node) => [node.id, node.name]));
  for (const id of names.keys()) graph.setNode(id, "", "");
  /** @type {number[]} */
  const lines = [];
  byId("problems").replaceChildren(
    ...problems.slice(0, MAX_PROBLEMS).map((problem) => {
      const line = problem.line ?? (problem.node ? editor.lineOf(problem.node, problem.field) : null);
      if (line) lines.push(line);
      if (problem.node) graph.setNode(problem.node, "failed", problem.message);
      return element("li", {}, problemButton(problem, line, names));
    }),
  );
  byId("problems").hidden = problems.length === 0;
  editor.mark(lines);
  if (problems.length) showState(ngettext("{count} problem", "{count} problems", problems.length), "failed");
  else showState(gettext("Valid"), "completed");
}

/** @param {unknown} error @returns {FieldProblem[]} */
function problemsOf(error) {
  const errors = errorsOf(error);
  if (errors.length) return errors;
  return [{ message: messageOf(error), line: error instanceof InvalidJson ? error.line : null }];
}

/** Validate the definition. The response to an earlier check is dropped. */
async function check() {
  const number = ++checks;
  try {
    const { nodes, edges } = parse(editor.text);
    const { errors } = await send("POST", "/api/workflows/validate/", { nodes, edges });
    if (number === checks) show(errors);
  } catch (error) {
    if (number === checks) show(problemsOf(error));
  }
}

/** @param {Event} event */
async function save(event) {
  event.preventDefault();
  if (!saveButton || saveButton.disabled) return;
  saveButton.disabled = true;
  showState(gettext("Saving…"), "running");
  try {
    await saveOver(data.latest_version, parse(editor.text));
  } catch (error) {
    const stale = staleVersion(error);
    if (stale) offerOverwrite(stale, parse(editor.text), saveOver);
    else show(problemsOf(error));
    if (stale) showState(gettext("Not saved"), "failed");
    saveButton.disabled = false;
  }
}

/**
 * Save a definition as the version after `version`, and open it. Throws a RequestError.
 * @param {number} version
 * @param {any} definition
 */
async function saveOver(version, definition) {
  const workflow = await send("PATCH", `/api/workflows/${data.workflow}/`, { ...definition, base_version: version });
  removeEventListener("beforeunload", warn);
  toastLater(gettext("Saved as version {version}.", { version: workflow.version }));
  location.assign(location.pathname);
}

/** @param {Event} event */
function warn(event) {
  if (editor.text !== saved) event.preventDefault();
}

area.addEventListener("input", () => {
  const changed = editor.text !== saved;
  if (saveButton) saveButton.disabled = !changed;
  showState(changed ? gettext("Unsaved changes") : "", "queued");
  clearTimeout(typing);
  typing = setTimeout(check, PAUSE_BEFORE_CHECK);
});
area.addEventListener("keydown", (event) => {
  if (isShortcut(event, "s")) save(event);
});
byId("validate").addEventListener("click", check);
byId("definition").addEventListener("submit", save);
byId("format").addEventListener("click", () => {
  try {
    editor.format();
  } catch (error) {
    show(problemsOf(error));
  }
});
addEventListener("beforeunload", warn);
showStaticData();
if (saveButton && new URLSearchParams(location.search).has("version")) saveButton.disabled = false;

/** @param {HTMLFormElement} form @param {HTMLTextAreaElement} input @param {Event} event */
async function run(form, input, event) {
  event.preventDefault();
  const button = query(form, "button", HTMLButtonElement);
  const problem = byId("run-error");
  button.disabled = problem.hidden = true;
  try {
    const body = {
      input: parse(input.value || "[]"),
      priority: field(form, "priority").value,
      mode: field(form, "mode").value,
    };
    const execution = await send("POST", `/api/workflows/${data.workflow}/execute/`, body);
    location.assign(`/executions/${execution.id}/`);
  } catch (error) {
    button.disabled = problem.hidden = false;
    problem.textContent = messageOf(error);
  }
}

if (findById("run")) {
  const form = formById("run");
  const input = byId("input", HTMLTextAreaElement);
  input.value = write(data.sample_input, 2);
  form.addEventListener("submit", (event) => run(form, input, event));
  input.addEventListener("keydown", (event) => {
    if (isShortcut(event, "Enter")) run(form, input, event);
  });
}

followMenu();
showStatistics();
const { filters } = JSON.parse(byId("list-data").textContent);
const hookList = findById("hook-tests");
const hookTests = hookList && new HookTests(hookList, data.workflow, data.hook_requests);
new LiveList(() => filters, (events) => hookTests?.take(events));
const schedules = findById("schedules");
if (schedules) followSchedules(schedules, data.workflow);
