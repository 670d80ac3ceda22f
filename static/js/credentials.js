import { by, data, element, send } from "./page.js";
import { tell } from "./times.js";
import { toast, toastLater } from "./toast.js";

const PATH = "/api/credentials/";
const KEPT = "Leave empty to keep it";
let edited = null;

const typeOf = (name) => data.types.find((type) => type.type === name);

/** The input of one field, made from its JSON schema; what is write-only is a password. */
function input(name, schema, required, value, isSet) {
  const secret = schema.writeOnly === true;
  const made = schema.enum
    ? element("select", {}, ...schema.enum.map((each) => element("option", { value: each }, each)))
    : element("input", { type: secret ? "password" : "text", autocomplete: secret ? "new-password" : "off", spellcheck: "false" });
  made.name = `data.${name}`;
  if (schema.maxLength) made.maxLength = schema.maxLength;
  made.required = required && !(secret && isSet);
  made.value = value ?? schema.default ?? "";
  if (secret && isSet) made.placeholder = KEPT;
  const label = element("label", {}, schema.title ?? name, made);
  if (schema.description) label.append(element("small", {}, schema.description));
  return label;
}

function showFields() {
  const type = typeOf(by("type").value);
  const required = type.schema.required ?? [];
  by("type-description").textContent = type.description;
  by("fields").replaceChildren(...Object.entries(type.schema.properties).map(([name, schema]) =>
    input(name, schema, required.includes(name), edited?.data?.[name], edited?.fields_set.includes(name))));
}

function open(credential) {
  edited = credential;
  const form = by("form");
  form.reset();
  complain([]);
  by("tested").hidden = true;
  by("edit-title").textContent = credential ? `Edit ${credential.name}` : "New credential";
  by("try").hidden = !credential;
  by("type").disabled = Boolean(credential);
  if (by("workspace-label")) by("workspace-label").hidden = Boolean(credential);
  if (credential) {
    form.elements.type.value = credential.type;
    form.elements.name.value = credential.name;
    form.elements.description.value = credential.description;
    form.elements.allowed_hosts.value = credential.allowed_hosts.join(", ");
  }
  showFields();
  by("edit").showModal();
  form.elements.name.focus();
}

/** Say at each field what is wrong with it, and below what belongs to none. */
function complain(errors, otherwise = "") {
  for (const old of by("form").querySelectorAll("label .error")) old.remove();
  for (const old of by("form").querySelectorAll("[aria-invalid]")) old.removeAttribute("aria-invalid");
  const rest = [];
  for (const { field, message } of errors) {
    const found = by("form").elements[field] ?? by("form").elements[field.split(".")[0]];
    if (!found?.setAttribute) {
      rest.push(field ? `${field}: ${message}` : message);
      continue;
    }
    found.setAttribute("aria-invalid", "true");
    found.after(element("span", { class: "error" }, message));
  }
  const text = errors.length ? rest.join(" ") : otherwise;
  by("problem").textContent = text;
  by("problem").hidden = !text;
  by("form").querySelector("[aria-invalid]")?.focus();
}

function written() {
  const { elements } = by("form");
  const fields = {};
  for (const each of by("fields").querySelectorAll("input, select")) fields[each.name.slice(5)] = each.value;
  const hosts = elements.allowed_hosts.value.split(",").map((host) => host.trim()).filter(Boolean);
  const body = { name: elements.name.value.trim(), description: elements.description.value.trim(), allowed_hosts: hosts, data: fields };
  if (edited) return body;
  if (elements.workspace) body.workspace = elements.workspace.value;
  return { ...body, type: elements.type.value };
}

async function save(event) {
  event.preventDefault();
  const empty = [...by("form").elements].filter((each) => each.required && !each.value.trim());
  if (empty.length) {
    complain(empty.map((each) => ({ field: each.name, message: "This is needed." })));
    return;
  }
  by("save").disabled = true;
  try {
    const saved = await send(edited ? "PATCH" : "POST", edited ? `${PATH}${edited.id}/` : PATH, written());
    toastLater(`${saved.name} is saved.`);
    location.reload();
  } catch (error) {
    complain(error.errors ?? [], error.message);
    by("save").disabled = false;
  }
}

async function test() {
  const url = by("try-url").value.trim();
  by("test").setAttribute("aria-busy", "true");
  by("tested").hidden = true;
  try {
    const { ok, detail } = await send("POST", `${PATH}${edited.id}/test/`, { url });
    by("tested").dataset.status = ok ? "completed" : "failed";
    by("tested").textContent = detail;
  } catch (error) {
    by("tested").dataset.status = "failed";
    by("tested").textContent = error.message;
  }
  by("tested").hidden = false;
  by("test").removeAttribute("aria-busy");
}

async function ask(id) {
  const credential = await send("GET", `${PATH}${id}/`);
  const names = credential.used_by.map((workflow) => workflow.name);
  by("ask-title").textContent = `Delete ${credential.name}?`;
  by("ask-text").textContent = names.length
    ? `${names.length === 1 ? "A workflow uses" : `${names.length} workflows use`} it and will fail without it: ${names.join(", ")}.`
    : "No workflow uses it. It cannot be brought back.";
  by("delete").onclick = async () => {
    try {
      await send("DELETE", `${PATH}${id}/`);
      toastLater(`${credential.name} is deleted.`);
      location.reload();
    } catch (error) {
      by("ask").close();
      toast(error.message, "failed");
    }
  };
  by("ask").showModal();
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-do]");
  if (!button) return;
  if (button.dataset.do === "close") {
    button.closest("dialog").close();
    return;
  }
  const { id } = button.closest("[data-id]").dataset;
  try {
    if (button.dataset.do === "edit") open(await send("GET", `${PATH}${id}/`));
    else await ask(id);
  } catch (error) {
    toast(error.message, "failed");
  }
});

if (by("new")) {
  by("type").append(...data.types.map((type) => element("option", { value: type.type }, type.label)));
  by("type").addEventListener("change", showFields);
  by("form").addEventListener("submit", save);
  by("test").addEventListener("click", test);
  by("try-url").addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    test();
  });
  by("new").addEventListener("click", () => open(null));
}
tell();
