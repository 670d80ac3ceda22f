/** The menu of a workflow: name, settings, copies, files, deletion, and what changed between versions. */
import { differences, showDifferences } from "./difference.js";
import { write } from "./exact_json.js";
import { saveFile } from "./save_file.js";
import "./menus.js";
import { byId, closest, data, dialogById, element, fetchJson, formById, messageOf, query, send } from "./page.js";
import { staleVersion } from "./stale_version.js";
import { toast, toastLater } from "./toast.js";
import { gettext, ngettext, number } from "./translations.js";
import { openSettings, settingsOf } from "./workflow_settings.js";

const ADDRESS = `/api/workflows/${data.workflow}/`;

/** @param {unknown} error */
function explained(error) {
  const stale = staleVersion(error);
  if (!stale) return messageOf(error);
  return gettext("{by} saved version {version} in the meantime. Reload the page first.", {
    by: stale.by ?? gettext("The platform"),
    version: stale.current_version,
  });
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
  toastLater(gettext("Saved as version {version}.", { version: saved.version }));
  location.assign(location.pathname);
}

async function duplicate() {
  const copy = await send("POST", `${ADDRESS}clone/`);
  toastLater(gettext("Duplicated as “{name}”. It is off.", { name: copy.name }));
  location.assign(`/workflows/${copy.id}/`);
}

function exportDefinition() {
  const name = data.definition.name.replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "").toLowerCase();
  saveFile(`${name || "workflow"}.json`, `${write(data.definition, 2)}\n`);
  toast(gettext("Exported version {version}.", { version: data.version }));
}

/** Say what is kept of a workflow that is deleted. @param {number} count of executions @param {boolean} more */
const keptText = (count, more) =>
  more
    ? ngettext(
      "More than {count} execution and their history stay until retention deletes them, unless you choose below.",
      "More than {count} executions and their history stay until retention deletes them, unless you choose below.",
      count,
    )
    : ngettext(
      "{count} execution and its history stay until retention deletes them, unless you choose below.",
      "{count} executions and their history stay until retention deletes them, unless you choose below.",
      count,
    );

/** Say what else can be deleted. @param {number} count of executions @param {boolean} more */
const choiceText = (count, more) =>
  more
    ? ngettext(
      "Also delete more than {count} execution, with events, outputs and files",
      "Also delete more than {count} executions, with events, outputs and files",
      count,
    )
    : ngettext(
      "Also delete {count} execution, with events, outputs and files",
      "Also delete {count} executions, with events, outputs and files",
      count,
    );

/** The same, where executions are in progress. @param {number} count of executions @param {boolean} more */
const choiceWithRunning = (count, more) =>
  more
    ? ngettext(
      "Also delete more than {count} execution, with events, outputs and files; those in progress are cancelled",
      "Also delete more than {count} executions, with events, outputs and files; those in progress are cancelled",
      count,
    )
    : ngettext(
      "Also delete {count} execution, with events, outputs and files; those in progress are cancelled",
      "Also delete {count} executions, with events, outputs and files; those in progress are cancelled",
      count,
    );

async function openDeletion() {
  const its = await send("DELETE", `${ADDRESS}?dry_run=true`);
  const { executions, more_executions: more, running, schedules } = its;
  /** @type {[boolean, string][]} */
  const facts = [
    [executions > 0, keptText(executions, more)],
    [
      running > 0,
      ngettext("{count} execution in progress will finish.", "{count} executions in progress will finish.", running),
    ],
    [schedules > 0, ngettext("{count} schedule will stop.", "{count} schedules will stop.", schedules)],
    [
      its.webhook_paths.length > 0,
      gettext("These webhook paths will return 404: {paths}", { paths: its.webhook_paths.join(", ") }),
    ],
    [
      its.callers.length > 0,
      gettext("These workflows start this one and will fail: {names}", { names: its.callers.join(", ") }),
    ],
  ];
  const lines = facts.filter(([holds]) => holds).map(([, text]) => text);
  byId("belongings").replaceChildren(
    ...(lines.length ? lines : [gettext("It has no executions and no triggers.")]).map((text) =>
      element("li", {}, text)
    ),
  );
  const choice = byId("with-executions");
  choice.hidden = !executions;
  query(choice, "span").textContent = running ? choiceWithRunning(executions, more) : choiceText(executions, more);
  dialogById("delete-dialog").showModal();
}

/** Say how far the deletion of the executions is, until it ends. It continues if the page is left. @param {any} operation */
async function followDeletion(operation) {
  const problem = query(formById("delete"), "[role=alert]");
  problem.dataset.status = "running";
  problem.hidden = false;
  let now = operation;
  while (now.state === "running") {
    const done = number(now.done);
    problem.textContent = now.total === null
      ? gettext("The workflow is deleted. {done} executions deleted. You can leave this page.", { done })
      : gettext("The workflow is deleted. {done} of {total} executions deleted. You can leave this page.", {
        done,
        total: number(now.total),
      });
    await new Promise((resolve) => setTimeout(resolve, 1000));
    now = await fetchJson(`/api/executions/bulk/${now.id}/`).catch(() => now); // offline: tried again
  }
  const { name } = data.definition;
  const sentences = [
    ngettext("“{name}” and {count} execution deleted.", "“{name}” and {count} executions deleted.", now.done, { name }),
  ];
  if (now.left_out) {
    sentences.push(ngettext("{count} could not be deleted.", "{count} could not be deleted.", now.left_out));
  }
  return sentences.join(" ");
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
  byId("changes-title").textContent = gettext("Changes from version {from} to version {to}", { from, to });
  showDifferences(byId("changes"), differences(older, newer));
  dialogById("changes-dialog").showModal();
}

function followDialogs() {
  onSubmit("details", async (form) => {
    const { name, description } = Object.fromEntries(new FormData(form));
    await send("PATCH", `${ADDRESS}details/`, { name, description });
    toastLater(gettext("Name and description saved."));
    location.assign(location.pathname);
  });
  onSubmit("settings", (form) => change({ settings: settingsOf(form) }));
  onSubmit("delete", async (form) => {
    const all = query(form, "[name=executions]", HTMLInputElement).checked;
    const operation = await send("DELETE", `${ADDRESS}${all ? "?executions=true" : ""}`);
    const { name } = data.definition;
    toastLater(all ? await followDeletion(operation) : gettext("“{name}” deleted.", { name }));
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
