/** The page of credentials. */
import {
  buttonById,
  byId,
  closest,
  data,
  dialogById,
  element,
  errorsOf,
  fetchJson,
  field,
  findById,
  findField,
  formById,
  inputById,
  messageOf,
  send,
} from "./page.js";
import { clearProblems, showProblems } from "./problems.js";
import { refreshTimes } from "./times.js";
import { toast, toastLater } from "./toast.js";
import { gettext, ngettext } from "./translations.js";

const PATH = "/api/credentials/";
const UNCHANGED = gettext("Leave empty to keep it");
/** @type {any} the credential being edited; null for a new one */
let edited = null;

const typeSelect = () => byId("type", HTMLSelectElement);

/**
 * Create the input of a field from its JSON schema. A write-only field is a password.
 * @param {string} name
 * @param {any} schema
 * @param {boolean} required
 */
function input(name, schema, required) {
  const secret = schema.writeOnly === true;
  const stored = secret && edited?.fields_set.includes(name);
  const control = schema.enum
    ? element("select", {}, ...schema.enum.map((/** @type {string} */ value) => new Option(value, value)))
    : element("input", {
      type: secret ? "password" : "text",
      autocomplete: secret ? "new-password" : "off",
      spellcheck: "false",
      ...(schema.maxLength && { maxlength: String(schema.maxLength) }),
    });
  control.name = `data.${name}`;
  control.required = required && !stored;
  control.value = edited?.data?.[name] ?? schema.default ?? "";
  if (stored) control.setAttribute("placeholder", UNCHANGED);
  const label = element("label", {}, schema.title ?? name, control);
  if (schema.description) label.append(element("small", {}, schema.description));
  return label;
}

function showFields() {
  const type = data.types.find((each) => each.type === typeSelect().value);
  if (!type) return;
  const { properties, required = [] } = type.schema;
  byId("type-description").textContent = type.description;
  byId("fields").replaceChildren(
    ...Object.entries(properties).map(([name, schema]) => input(name, schema, required.includes(name))),
  );
}

/** @param {any} credential as the API describes it; null for a new one */
function open(credential) {
  edited = credential;
  const form = formById("form");
  form.reset();
  clearProblems(form);
  showProblem("");
  byId("tested").hidden = true;
  byId("edit-title").textContent = credential
    ? gettext("Edit {name}", { name: credential.name })
    : gettext("New credential");
  byId("try").hidden = !credential;
  typeSelect().disabled = Boolean(credential);
  findById("workspace-label")?.toggleAttribute("hidden", Boolean(credential));
  if (credential) {
    for (const name of ["type", "name", "description"]) field(form, name).value = credential[name];
    field(form, "allowed_hosts").value = credential.allowed_hosts.join(", ");
  }
  showFields();
  dialogById("edit").showModal();
  field(form, "name").focus();
}

/** @param {string} text */
function showProblem(text) {
  byId("problem").textContent = text;
  byId("problem").hidden = !text;
}

/** Return what the form holds, as the API takes it. @param {HTMLFormElement} form */
function body(form) {
  /** @type {Record<string, string>} */
  const fields = {};
  const controls = byId("fields").querySelectorAll("input, select");
  for (const { name, value } of /** @type {NodeListOf<HTMLInputElement>} */ (controls)) fields[name.slice(5)] = value;
  const hosts = field(form, "allowed_hosts").value.split(",").map((host) => host.trim()).filter(Boolean);
  const common = {
    name: field(form, "name").value.trim(),
    description: field(form, "description").value.trim(),
    allowed_hosts: hosts,
    data: fields,
  };
  if (edited) return common;
  const workspace = findField(form, "workspace");
  return { ...common, type: typeSelect().value, ...(workspace && { workspace: workspace.value }) };
}

/** @param {Event} event */
async function save(event) {
  event.preventDefault();
  const form = formById("form");
  const controls = /** @type {HTMLInputElement[]} */ ([...form.elements]);
  const empty = controls.filter((control) => control.required && !control.value.trim());
  showProblem("");
  if (empty.length) {
    return void showProblems(
      form,
      empty.map(({ name }) => ({ field: name, message: gettext("This field is required.") })),
    );
  }
  buttonById("save").disabled = true;
  try {
    const [method, path] = edited ? ["PATCH", `${PATH}${edited.id}/`] : ["POST", PATH];
    const credential = await send(method, path, body(form));
    toastLater(gettext("{name} saved.", { name: credential.name }));
    location.reload();
  } catch (error) {
    const errors = errorsOf(error);
    showProblem(showProblems(form, errors) || (errors.length ? "" : messageOf(error)));
    buttonById("save").disabled = false;
  }
}

async function test() {
  const result = byId("tested");
  const button = buttonById("test");
  button.setAttribute("aria-busy", "true");
  result.hidden = true;
  try {
    const url = inputById("try-url").value.trim();
    const { ok, detail } = await send("POST", `${PATH}${edited.id}/test/`, { url });
    result.dataset.status = ok ? "completed" : "failed";
    result.textContent = detail;
  } catch (error) {
    result.dataset.status = "failed";
    result.textContent = messageOf(error);
  }
  result.hidden = false;
  button.removeAttribute("aria-busy");
}

/** @param {string} id */
async function confirmDelete(id) {
  const credential = await fetchJson(`${PATH}${id}/`);
  const names = credential.used_by.map((/** @type {{name: string}} */ workflow) => workflow.name);
  byId("confirm-title").textContent = gettext("Delete {name}?", { name: credential.name });
  byId("confirm-text").textContent = names.length
    ? ngettext(
      "{count} workflow uses this credential and will fail without it: {names}.",
      "{count} workflows use this credential and will fail without it: {names}.",
      names.length,
      { names: names.join(", ") },
    )
    : gettext("No workflow uses this credential. You can't undo this.");
  byId("delete").onclick = async () => {
    try {
      await send("DELETE", `${PATH}${id}/`);
      toastLater(gettext("{name} deleted.", { name: credential.name }));
      location.reload();
    } catch (error) {
      dialogById("confirm").close();
      toast(messageOf(error), "failed");
    }
  };
  dialogById("confirm").showModal();
}

document.addEventListener("click", async (event) => {
  const button = closest(event, "[data-do]");
  if (!button) return;
  if (button.dataset.do === "close") return void button.closest("dialog")?.close();
  const { id = "" } = /** @type {HTMLElement | null} */ (button.closest("[data-id]"))?.dataset ?? {};
  try {
    if (button.dataset.do === "edit") open(await fetchJson(`${PATH}${id}/`));
    else await confirmDelete(id);
  } catch (error) {
    toast(messageOf(error), "failed");
  }
});

if (findById("new")) {
  typeSelect().append(...data.types.map((type) => new Option(type.label, type.type)));
  typeSelect().addEventListener("change", showFields);
  byId("form").addEventListener("submit", save);
  byId("test").addEventListener("click", test);
  byId("try-url").addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    test();
  });
  byId("new").addEventListener("click", () => open(null));
}
refreshTimes();
