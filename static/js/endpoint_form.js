/** The form that makes and changes an endpoint, and the dialog that shows its secret once. */
import { EventTypes } from "./event_types.js";
import { offerWorkflows } from "./names.js";
import { by, data, element, icon, send } from "./page.js";
import { clearProblems, showProblems } from "./problems.js";
import { toast, toastLater } from "./toast.js";

export const ENDPOINTS = "/api/webhooks/endpoints/";
const KEPT = "Leave empty to keep it";
const PLAIN = ["name", "url", "description", "method", "filter", "transform", "ordering", "timeout_seconds", "max_concurrent", "rate_limit", "rate_seconds"];
const NUMBERS = new Set(["timeout_seconds", "max_concurrent", "rate_limit", "rate_seconds"]);
const CURVE = ["max_attempts", "initial_seconds", "multiplier", "max_seconds"];
const TYPING = 250; // ms
/** What each authentication needs: name, label, whether it is a secret, what stands there at first. */
const AUTH = {
  none: [],
  bearer: [["token", "Token", true]],
  basic: [["username", "User name", false], ["password", "Password", true]],
  header: [["name", "Header", false, "X-API-Key"], ["value", "Key", true]],
  query: [["name", "Parameter", false, "api_key"], ["value", "Key", true]],
  hmac: [["secret", "Secret", true], ["header", "Header", false, "X-Signature"], ["algorithm", "Algorithm", false, "sha256"], ["prefix", "Before the digest", false, ""]],
};

const form = by("form");
let edited = null;
let types = null;
let typing = 0;
let asked = 0;

const field = (name) => form.elements.namedItem(name);

function showAuth() {
  const kind = field("auth.type").value;
  const held = edited?.auth.type === kind ? edited.auth : null;
  by("auth-fields").replaceChildren(...AUTH[kind].map(([name, label, secret, first = ""]) => {
    const input = name === "algorithm" ? element("select", {}, new Option("SHA-256", "sha256"), new Option("SHA-512", "sha512"))
      : element("input", { type: secret ? "password" : "text", autocomplete: secret ? "new-password" : "off", spellcheck: "false", maxlength: "8000" });
    input.name = `auth.${name}`;
    input.value = secret ? "" : (held?.[name] ?? first);
    if (secret && held) input.placeholder = KEPT;
    return element("label", {}, label, input);
  }));
}

function addHeader(name = "", kept = false) {
  const row = element("div", { class: "header-row" });
  const key = element("input", { "aria-label": "Name of the header", placeholder: "X-Team", maxlength: "100", spellcheck: "false", "data-header": "" });
  const value = element("input", { "aria-label": "Value of the header", placeholder: kept ? KEPT : "Value", maxlength: "4096", spellcheck: "false", autocomplete: "off" });
  const remove = element("button", { type: "button", class: "icon-button", "aria-label": "Remove the header" }, icon("cross"));
  remove.addEventListener("click", () => row.remove());
  key.value = name;
  if (kept) row.dataset.kept = name;
  row.append(key, value, remove);
  by("headers").append(row);
  return key;
}

/** Ask what the policy that is chosen comes to, and say it. */
async function sayPolicy() {
  asked += 1;
  const mine = asked;
  const given = policy();
  by("custom").hidden = given.preset !== "custom";
  const words = by("policy-words");
  const known = data.presets.find(({ preset }) => preset === given.preset);
  try {
    const { in_words: said } = given.preset === "custom" ? await send("POST", "/api/webhooks/retry-presets/preview/", given) : known;
    if (mine !== asked) return;
    words.textContent = `${said}.`;
    words.classList.remove("error");
  } catch (error) {
    if (mine !== asked) return;
    words.textContent = error.errors?.map(({ message }) => message).join(" ") || error.message;
    words.classList.add("error");
  }
  by("policy-about").textContent = given.preset === "custom" ? "Delays that grow by a factor, or each by itself. What is empty is as in quick." : known.description;
}

function fill(endpoint) {
  for (const name of PLAIN) field(name).value = endpoint[name] ?? "";
  field("workflow").value = endpoint.workflow ?? "";
  field("follow_redirects").checked = endpoint.follow_redirects;
  field("active").checked = endpoint.active;
  field("auth.type").value = endpoint.auth.type;
  field("retry_policy.preset").value = endpoint.retry_policy.preset;
  field("retry_policy.retry_other_4xx").checked = endpoint.retry_policy.retry_other_4xx;
  for (const name of CURVE) field(`retry_policy.${name}`).value = endpoint.retry_policy[name] ?? "";
  field("retry_policy.delays_seconds").value = (endpoint.retry_policy.delays_seconds ?? []).join(", ");
  for (const name of endpoint.header_names) addHeader(name, true);
}

/** Open the form, empty or with an endpoint as the API gives it. */
export async function openForm(endpoint = null) {
  edited = endpoint;
  form.reset();
  clearProblems(form);
  by("problem").hidden = true;
  by("headers").replaceChildren();
  by("edit-title").textContent = endpoint ? `Edit ${endpoint.name}` : "New endpoint";
  by("signature").hidden = Boolean(endpoint);
  if (by("workspace-label")) by("workspace-label").hidden = Boolean(endpoint);
  if (field("workflow").length === 1) await offerWorkflows(field("workflow"));
  types.set(endpoint?.event_types ?? []);
  if (endpoint) fill(endpoint);
  showAuth();
  sayPolicy();
  by("edit").showModal();
  field("url").focus();
}

function auth() {
  const given = { type: field("auth.type").value };
  for (const input of by("auth-fields").querySelectorAll("input, select")) {
    if (input.value || input.type !== "password") given[input.name.slice(5)] = input.value;
  }
  return given;
}

function policy() {
  const given = { preset: field("retry_policy.preset").value, retry_other_4xx: field("retry_policy.retry_other_4xx").checked };
  if (given.preset !== "custom") return given;
  for (const name of CURVE) if (field(`retry_policy.${name}`).value) given[name] = Number(field(`retry_policy.${name}`).value);
  const delays = field("retry_policy.delays_seconds").value.split(",").map((each) => each.trim()).filter(Boolean);
  if (delays.length) given.delays_seconds = delays.map(Number);
  return given;
}

function headers() {
  const given = {};
  for (const row of by("headers").children) {
    const [name, value] = [...row.querySelectorAll("input")].map((input) => input.value.trim());
    if (name) given[name] = value === "" && row.dataset.kept === name ? null : value;
  }
  return given;
}

function written() {
  const body = { event_types: types.patterns, auth: auth(), retry_policy: policy(), headers: headers() };
  for (const name of PLAIN) {
    const { value } = field(name);
    body[name] = NUMBERS.has(name) ? (value === "" ? null : Number(value)) : value;
  }
  if (!body.name.trim()) delete body.name;
  for (const name of ["timeout_seconds", "max_concurrent", "rate_seconds"]) if (body[name] === null) delete body[name];
  body.workflow = field("workflow").value || null;
  body.follow_redirects = field("follow_redirects").checked;
  body.active = field("active").checked;
  if (edited) return body;
  body.signature = field("signature").value;
  if (field("workspace")) body.workspace = field("workspace").value;
  return body;
}

async function save(event) {
  event.preventDefault();
  if (by("types-input").value.trim()) types.add();
  const missing = [];
  if (!field("url").value.trim()) missing.push({ field: "url", message: "This is needed." });
  if (!types.patterns.length) missing.push({ field: "event_types", message: "At least one is needed." });
  if (missing.length) return void showProblems(form, missing);
  by("save").disabled = true;
  by("problem").hidden = true;
  try {
    const saved = await send(edited ? "PATCH" : "POST", edited ? `${ENDPOINTS}${edited.id}/` : ENDPOINTS, written());
    by("edit").close();
    if (saved.secret) return void showSecret(saved, `${saved.name} is made.`);
    toastLater(`${saved.name} is saved.`);
    location.reload();
  } catch (error) {
    const said = showProblems(form, error.errors ?? []) || (error.errors?.length ? "" : error.message);
    by("problem").textContent = said;
    by("problem").hidden = !said;
  } finally {
    by("save").disabled = false;
  }
}

/** Show a secret until it is put away; then the page comes anew. */
export function showSecret(endpoint, then, note = "") {
  const verifying = endpoint.signing_secrets?.[0]?.public_key;
  by("secret-about").textContent = verifying ? "It signs each delivery. Receivers need only the public key below."
    : "Give it to the receiver, which verifies the signature of each delivery with it.";
  by("secret-value").textContent = endpoint.secret;
  by("secret-note").textContent = note;
  by("public-part").hidden = !verifying;
  by("public-value").textContent = verifying ?? "";
  by("secret").showModal();
  by("secret").addEventListener("close", () => {
    by("secret-value").textContent = "";
    toastLater(then);
    location.reload();
  }, { once: true });
}

async function copySecret() {
  try {
    await navigator.clipboard.writeText(by("secret-value").textContent);
    toast("The secret is copied.");
  } catch {
    getSelection().selectAllChildren(by("secret-value"));
    toast("The browser did not let this page copy; the secret is selected.", "failed");
  }
}

if (form) {
  types = new EventTypes();
  form.addEventListener("submit", save);
  field("auth.type").addEventListener("change", showAuth);
  by("headers-add").addEventListener("click", () => addHeader().focus());
  by("secret-copy").addEventListener("click", copySecret);
  form.addEventListener("input", ({ target }) => {
    if (!target.name?.startsWith("retry_policy.")) return;
    clearTimeout(typing);
    typing = setTimeout(sayPolicy, target.type === "radio" ? 0 : TYPING);
  });
  by("secret").addEventListener("cancel", (event) => event.preventDefault()); // Escape would lose it
}
