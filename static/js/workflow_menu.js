/** The menu of a workflow: name, settings, copies, files, deletion, and what changed between versions. */
import { differences, showDifferences } from "./difference.js";
import { write } from "./exact_json.js";
import { saveFile } from "./save_file.js";
import "./menus.js";
import {
  byId,
  closest,
  counted,
  data,
  dialogById,
  element,
  fetchJson,
  formById,
  messageOf,
  number,
  query,
  send,
} from "./page.js";
import { staleVersion } from "./stale_version.js";
import { toast, toastLater } from "./toast.js";
import { openSettings, settingsOf } from "./workflow_settings.js";

const ADDRESS = `/api/workflows/${data.workflow}/`;

/** @param {unknown} error */
function explained(error) {
  const stale = staleVersion(error);
  if (!stale) return messageOf(error);
  return `${stale.by ?? "The platform"} saved version ${stale.current_version} in the meantime. Reload the page first.`;
}

/**
 * Run `act` when the form of a dialog is sent; show why it failed in the form.
 * @param {string} name of the form; its dialog is `<name>-dialog`
 * @param {(form: HTMLFormElement) => Promise<void>} act
 */
function onSubmit(name, act) {
  const form = formById(name);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const [problem, button] = [query(form, "[role=alert]"), query(form, ".ends button:last-child", HTMLButtonElement)];
    problem.hidden = button.disabled = true;
    try {
      await act(form);
    } catch (error) {
      problem.hidden = false;
      problem.textContent = explained(error);
    }
    button.disabled = false;
  });
}

/** Save fields of the workflow as a new version and show it. @param {Record<string, unknown>} fields */
async function change(fields) {
  const saved = await send("PATCH", ADDRESS, { ...fields, base_version: data.latest_version });
  toastLater(`Saved as version ${saved.version}.`);
  location.assign(location.pathname);
}

async function duplicate() {
  const copy = await send("POST", `${ADDRESS}clone/`);
  toastLater(`Duplicated as “${copy.name}”. It is off.`);
  location.assign(`/workflows/${copy.id}/`);
}

function exportDefinition() {
  const name = data.definition.name.replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "").toLowerCase();
  saveFile(`${name || "workflow"}.json`, `${write(data.definition, 2)}\n`);
  toast(`Exported version ${data.version}.`);
}

async function openDeletion() {
  const its = await send("DELETE", `${ADDRESS}?dry_run=true`);
  const executions = `${its.more_executions ? "More than " : ""}${counted(its.executions, "execution")}`;
  /** @type {[boolean, string][]} */
  const facts = [
    [its.executions > 0, `${executions} and their history stay until retention deletes them, unless you choose below.`],
    [its.running > 0, `${counted(its.running, "execution")} in progress will finish.`],
    [its.schedules > 0, `${counted(its.schedules, "schedule")} will stop.`],
    [its.webhook_paths.length > 0, `These webhook paths will return 404: ${its.webhook_paths.join(", ")}`],
    [its.callers.length > 0, `These workflows start this one and will fail: ${its.callers.join(", ")}`],
  ];
  const lines = facts.filter(([holds]) => holds).map(([, text]) => text);
  byId("belongings").replaceChildren(
    ...(lines.length ? lines : ["It has no executions and no triggers."]).map((text) => element("li", {}, text)),
  );
  const choice = byId("with-executions");
  choice.hidden = !its.executions;
  query(choice, "span").textContent = `Also delete ${executions}, with events, outputs and files${
    its.running ? "; those in progress are cancelled" : ""
  }`;
  dialogById("delete-dialog").showModal();
}

/** Say how far the deletion of the executions is, until it ends. It continues if the page is left. @param {any} operation */
async function followDeletion(operation) {
  const problem = query(formById("delete"), "[role=alert]");
  problem.dataset.status = "running";
  problem.hidden = false;
  let now = operation;
  while (now.state === "running") {
    const of = now.total === null ? "" : ` of ${number(now.total)}`;
    problem.textContent = `The workflow is deleted. ${
      number(now.done)
    }${of} executions deleted. You can leave this page.`;
    await new Promise((resolve) => setTimeout(resolve, 1000));
    now = await fetchJson(`/api/executions/bulk/${now.id}/`).catch(() => now); // offline: tried again
  }
  const rest = now.left_out ? ` ${number(now.left_out)} could not be deleted.` : "";
  return `“${data.definition.name}” and ${counted(now.done, "execution")} deleted.${rest}`;
}

/** @type {Record<string, () => void | Promise<void>>} */
const ACTIONS = {
  details: () => dialogById("details-dialog").showModal(),
  settings: () => openSettings(formById("settings"), dialogById("settings-dialog")),
  duplicate,
  export: exportDefinition,
  delete: openDeletion,
};

/** Show what changed from one version to the one of the page. @param {string} number */
async function compare(number) {
  const other = await fetchJson(`${ADDRESS}versions/${number}/`);
  const [older, newer] = Number(number) < data.version ? [other, data.definition] : [data.definition, other];
  const [from, to] = [Math.min(Number(number), data.version), Math.max(Number(number), data.version)];
  byId("changes-title").textContent = `Changes from version ${from} to version ${to}`;
  showDifferences(byId("changes"), differences(older, newer));
  dialogById("changes-dialog").showModal();
}

function followDialogs() {
  onSubmit("details", async (form) => {
    const { name, description } = Object.fromEntries(new FormData(form));
    await send("PATCH", `${ADDRESS}details/`, { name, description });
    toastLater("Name and description saved.");
    location.assign(location.pathname);
  });
  onSubmit("settings", (form) => change({ settings: settingsOf(form) }));
  onSubmit("delete", async (form) => {
    const all = query(form, "[name=executions]", HTMLInputElement).checked;
    const operation = await send("DELETE", `${ADDRESS}${all ? "?executions=true" : ""}`);
    toastLater(all ? await followDeletion(operation) : `“${data.definition.name}” deleted.`);
    location.assign("/workflows/");
  });
  const confirmation = query(formById("delete"), "[name=confirm]", HTMLInputElement);
  confirmation.addEventListener("input", () => {
    query(formById("delete"), "button.danger", HTMLButtonElement).disabled =
      confirmation.value.trim() !== confirmation.dataset.name;
  });
}

/** Follow the buttons of the menu, of the versions and of the dialogs. */
export function followMenu() {
  if (document.getElementById("details")) followDialogs();
  document.addEventListener("click", async (event) => {
    const button = closest(event, "[data-menu], [data-compare], dialog [data-close]");
    if (!button) return;
    if ("close" in button.dataset) return button.closest("dialog")?.close();
    /** @type {HTMLElement | null} */ (button.closest("[popover]"))?.hidePopover();
    try {
      if (button.dataset.compare) await compare(button.dataset.compare);
      else await ACTIONS[button.dataset.menu ?? ""]();
    } catch (error) {
      toast(messageOf(error), "failed");
    }
  });
}
