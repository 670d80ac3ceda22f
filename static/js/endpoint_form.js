/** The form that creates and changes an endpoint, and the dialog that shows its secret once. */
import { EventTypes } from "./event_types.js";
import {
  buttonById,
  byId,
  data,
  dialogById,
  element,
  errorsOf,
  field as fieldOf,
  findById,
  findField,
  formById,
  icon,
  inputById,
  messageOf,
  send,
} from "./page.js";
import { clearProblems, showProblems } from "./problems.js";
import { showSecret } from "./secret_dialog.js";
import { toastLater } from "./toast.js";
import { gettext, ngettext, number } from "./translations.js";
import { offerWorkflows } from "./workflow_names.js";

export const ENDPOINTS = "/api/webhooks/endpoints/";
const UNCHANGED = gettext("Leave empty to keep it");
const PLAIN = [
  "name",
  "url",
  "description",
  "method",
  "filter",
  "transform",
  "ordering",
  "timeout_seconds",
  "max_concurrent",
  "rate_limit",
  "rate_seconds",
];
const NUMBERS = new Set(["timeout_seconds", "max_concurrent", "rate_limit", "rate_seconds"]);
const DEFAULTED = ["timeout_seconds", "max_concurrent", "rate_seconds"]; // without a value, the server's default
const CURVE = ["max_attempts", "initial_seconds", "multiplier", "max_seconds"];
const TYPING = 250; // ms
/**
 * The fields of each kind of authentication.
 * @type {Record<string, [name: string, label: string, secret: boolean, initial?: string][]>}
 */
const AUTH = {
  none: [],
  bearer: [["token", gettext("Token"), true]],
  basic: [["username", gettext("Username"), false], ["password", gettext("Password"), true]],
  header: [["name", gettext("Header"), false, "X-API-Key"], ["value", gettext("Key"), true]],
  query: [["name", gettext("Parameter"), false, "api_key"], ["value", gettext("Key"), true]],
  hmac: [
    ["secret", gettext("Secret"), true],
    ["header", gettext("Header"), false, "X-Signature"],
    ["algorithm", gettext("Algorithm"), false, "sha256"],
    ["prefix", gettext("Prefix of the digest"), false, ""],
  ],
};

/**
 * Return what a retry policy does, as `in_words` of the API has it in English.
 * @param {{attempts: number, horizon_seconds: number}} policy as the API describes it
 */
function policyText({ attempts, horizon_seconds: seconds }) {
  if (attempts === 1) return gettext("1 attempt, no retries");
  return gettext("{attempts} attempts within {span}", { attempts, span: spanText(seconds) });
}

/** @param {number} seconds */
function spanText(seconds) {
  /** @param {number} unit in seconds */
  const count = (unit) => number(Math.round((seconds / unit) * 10) / 10);
  if (seconds >= 2 * 86_400) return gettext("about {count} days", { count: count(86_400) });
  if (seconds >= 2 * 3600) return gettext("about {count} hours", { count: count(3600) });
  if (seconds >= 2 * 60) return gettext("about {count} minutes", { count: count(60) });
  return ngettext("{count} second", "{count} seconds", Math.round(seconds));
}

class EndpointForm {
  /** @type {any} the endpoint being edited; null for a new one */
  #edited = null;
  #form = formById("form");
  #types = new EventTypes();
  #typing = 0;
  #requests = 0; // responses to earlier previews are dropped

  constructor() {
    this.#form.addEventListener("submit", (event) => this.#save(event));
    this.#field("auth.type").addEventListener("change", () => this.#showAuth());
    byId("headers-add").addEventListener("click", () => this.#addHeader().focus());
    this.#form.addEventListener("input", (event) => {
      const { target } = event;
      if (!(target instanceof HTMLInputElement) || !target.name.startsWith("retry_policy.")) return;
      clearTimeout(this.#typing);
      this.#typing = setTimeout(() => this.#describePolicy(), target.type === "radio" ? 0 : TYPING);
    });
  }

  /** @param {string} name */
  #field(name) {
    return fieldOf(this.#form, name);
  }

  #showAuth() {
    const kind = this.#field("auth.type").value;
    const stored = this.#edited?.auth.type === kind ? this.#edited.auth : null;
    byId("auth-fields").replaceChildren(
      ...AUTH[kind].map(([name, label, secret, initial = ""]) => {
        const input = name === "algorithm"
          ? element("select", {}, new Option("SHA-256", "sha256"), new Option("SHA-512", "sha512"))
          : element("input", {
            type: secret ? "password" : "text",
            autocomplete: secret ? "new-password" : "off",
            spellcheck: "false",
            maxlength: "8000",
          });
        input.name = `auth.${name}`;
        input.value = secret ? "" : (stored?.[name] ?? initial);
        if (secret && stored) input.setAttribute("placeholder", UNCHANGED);
        return element("label", {}, label, input);
      }),
    );
  }

  /** Add a row for a header. @param {string} [name] @param {boolean} [stored] whether the server has its value */
  #addHeader(name = "", stored = false) {
    const row = element("div", { class: "header-row" });
    const key = element("input", {
      "aria-label": gettext("Header name"),
      placeholder: "X-Team",
      maxlength: "100",
      spellcheck: "false",
    });
    const value = element("input", {
      "aria-label": gettext("Header value"),
      placeholder: stored ? UNCHANGED : gettext("Value"),
      maxlength: "4096",
      spellcheck: "false",
      autocomplete: "off",
    });
    const attributes = { type: "button", class: "icon-button", "aria-label": gettext("Remove header") };
    const remove = element("button", attributes, icon("cross"));
    remove.addEventListener("click", () => row.remove());
    key.value = name;
    if (stored) row.dataset.stored = name;
    row.append(key, value, remove);
    byId("headers").append(row);
    return key;
  }

  /** Show in words what the chosen retry policy does. */
  async #describePolicy() {
    this.#requests += 1;
    const request = this.#requests;
    const policy = this.#policy();
    const custom = policy.preset === "custom";
    const text = byId("policy-words");
    const preset = data.presets.find((each) => each.preset === policy.preset);
    byId("custom").hidden = !custom;
    byId("policy-about").textContent = custom
      ? gettext("Delays grow by a factor, or are listed one by one. Empty fields use the values of quick.")
      : preset?.description ?? "";
    try {
      const shown = custom ? await send("POST", "/api/webhooks/retry-presets/preview/", policy) : preset;
      if (request !== this.#requests) return;
      text.textContent = `${policyText(shown)}.`;
      text.classList.remove("error");
    } catch (error) {
      if (request !== this.#requests) return;
      text.textContent = errorsOf(error).map(({ message }) => message).join(" ") || messageOf(error);
      text.classList.add("error");
    }
  }

  /** @param {any} endpoint as the API describes it */
  #fill(endpoint) {
    for (const name of PLAIN) this.#field(name).value = endpoint[name] ?? "";
    this.#field("workflow").value = endpoint.workflow ?? "";
    this.#field("follow_redirects").checked = endpoint.follow_redirects;
    this.#field("active").checked = endpoint.active;
    this.#field("auth.type").value = endpoint.auth.type;
    const policy = endpoint.retry_policy;
    this.#field("retry_policy.preset").value = policy.preset;
    this.#field("retry_policy.retry_other_4xx").checked = policy.retry_other_4xx;
    for (const name of CURVE) this.#field(`retry_policy.${name}`).value = policy[name] ?? "";
    this.#field("retry_policy.delays_seconds").value = (policy.delays_seconds ?? []).join(", ");
    for (const name of endpoint.header_names) this.#addHeader(name, true);
  }

  /** @param {any} endpoint as the API describes it; null for a new one */
  async open(endpoint) {
    this.#edited = endpoint;
    this.#form.reset();
    clearProblems(this.#form);
    byId("problem").hidden = true;
    byId("headers").replaceChildren();
    byId("edit-title").textContent = endpoint
      ? gettext("Edit {name}", { name: endpoint.name })
      : gettext("New endpoint");
    byId("signature").hidden = Boolean(endpoint);
    findById("workspace-label")?.toggleAttribute("hidden", Boolean(endpoint));
    const workflows = /** @type {HTMLSelectElement} */ (/** @type {unknown} */ (this.#field("workflow")));
    if (workflows.length === 1) await offerWorkflows(workflows);
    this.#types.set(endpoint?.event_types ?? []);
    if (endpoint) this.#fill(endpoint);
    this.#showAuth();
    this.#describePolicy();
    dialogById("edit").showModal();
    this.#field("url").focus();
  }

  #auth() {
    /** @type {Record<string, string>} */
    const auth = { type: this.#field("auth.type").value };
    const inputs = byId("auth-fields").querySelectorAll("input, select");
    for (const input of /** @type {NodeListOf<HTMLInputElement | HTMLSelectElement>} */ (inputs)) {
      if (input.value || input.type !== "password") auth[input.name.slice(5)] = input.value;
    }
    return auth;
  }

  #policy() {
    /** @type {Record<string, any>} */
    const policy = {
      preset: this.#field("retry_policy.preset").value,
      retry_other_4xx: this.#field("retry_policy.retry_other_4xx").checked,
    };
    if (policy.preset !== "custom") return policy;
    for (const name of CURVE) {
      const { value } = this.#field(`retry_policy.${name}`);
      if (value) policy[name] = Number(value);
    }
    const delays = this.#field("retry_policy.delays_seconds").value.split(",").map((each) => each.trim());
    if (delays.some(Boolean)) policy.delays_seconds = delays.filter(Boolean).map(Number);
    return policy;
  }

  #headers() {
    /** @type {Record<string, string | null>} null keeps the stored value */
    const headers = {};
    for (const row of /** @type {HTMLCollectionOf<HTMLElement>} */ (byId("headers").children)) {
      const [name, value] = [...row.querySelectorAll("input")].map((input) => input.value.trim());
      if (name) headers[name] = value === "" && row.dataset.stored === name ? null : value;
    }
    return headers;
  }

  #body() {
    /** @type {Record<string, any>} */
    const body = {
      event_types: this.#types.patterns,
      auth: this.#auth(),
      retry_policy: this.#policy(),
      headers: this.#headers(),
      workflow: this.#field("workflow").value || null,
      follow_redirects: this.#field("follow_redirects").checked,
      active: this.#field("active").checked,
    };
    for (const name of PLAIN) {
      const { value } = this.#field(name);
      if (!NUMBERS.has(name)) body[name] = value;
      else if (value !== "" || !DEFAULTED.includes(name)) body[name] = value === "" ? null : Number(value);
    }
    if (!body.name.trim()) delete body.name;
    if (this.#edited) return body;
    body.signature = this.#field("signature").value;
    const workspace = findField(this.#form, "workspace");
    if (workspace) body.workspace = workspace.value;
    return body;
  }

  /** @param {Event} event */
  async #save(event) {
    event.preventDefault();
    if (inputById("types-input").value.trim()) this.#types.addTyped();
    const missing = [];
    if (!this.#field("url").value.trim()) missing.push({ field: "url", message: gettext("Enter a URL.") });
    if (!this.#types.patterns.length) {
      missing.push({ field: "event_types", message: gettext("Add at least one event type.") });
    }
    if (missing.length) return void showProblems(this.#form, missing);
    buttonById("save").disabled = true;
    byId("problem").hidden = true;
    const [method, path] = this.#edited ? ["PATCH", `${ENDPOINTS}${this.#edited.id}/`] : ["POST", ENDPOINTS];
    try {
      const endpoint = await send(method, path, this.#body());
      dialogById("edit").close();
      if (endpoint.secret) return void showSecret(endpoint, gettext("{name} created.", { name: endpoint.name }));
      toastLater(gettext("{name} saved.", { name: endpoint.name }));
      location.reload();
    } catch (error) {
      const errors = errorsOf(error);
      const rest = showProblems(this.#form, errors) || (errors.length ? "" : messageOf(error));
      byId("problem").textContent = rest;
      byId("problem").hidden = !rest;
    } finally {
      buttonById("save").disabled = false;
    }
  }
}

/** @type {EndpointForm | null} */
const form = findById("form") ? new EndpointForm() : null;

/** Open the form, empty or with an endpoint as the API describes it. @param {any} [endpoint] */
export async function openForm(endpoint = null) {
  await form?.open(endpoint);
}
