/** Shared by the pages: their data, elements, requests and number formats. */
import { read, write } from "./exact_json.js";
import { session } from "./session.js";
import { decimal, gettext, number } from "./translations.js";

export { number };

/** @type {import("./types.js").PageData} */
export const data = read(findById("page-data")?.textContent ?? "{}");

/**
 * Return the element with an id, or null if there is none of this kind.
 * @template {Element} [T=HTMLElement]
 * @param {string} id
 * @param {new () => T} [kind] HTMLElement by default
 * @returns {T | null}
 */
export function findById(id, kind) {
  const found = document.getElementById(id);
  return found instanceof (kind ?? HTMLElement) ? /** @type {any} */ (found) : null;
}

/**
 * Return the element with an id. Throws an Error if the page has none of this kind.
 * @template {Element} [T=HTMLElement]
 * @param {string} id
 * @param {new () => T} [kind] HTMLElement by default
 * @returns {T}
 */
export function byId(id, kind) {
  const found = findById(id, kind);
  if (!found) throw new Error(`The page has no element #${id}.`);
  return found;
}

/** @param {string} id */
export const inputById = (id) => byId(id, HTMLInputElement);

/** @param {string} id */
export const buttonById = (id) => byId(id, HTMLButtonElement);

/** @param {string} id */
export const dialogById = (id) => byId(id, HTMLDialogElement);

/** @param {string} id */
export const formById = (id) => byId(id, HTMLFormElement);

/**
 * Return the first element that matches. Throws an Error if there is none.
 * @template {Element} [T=HTMLElement]
 * @param {ParentNode} root
 * @param {string} selector
 * @param {new () => T} [kind] HTMLElement by default
 * @returns {T}
 */
export function query(root, selector, kind) {
  const found = root.querySelector(selector);
  if (!(found instanceof (kind ?? HTMLElement))) throw new Error(`The page has no element ${selector}.`);
  return /** @type {any} */ (found);
}

/**
 * Return the closest ancestor of an event's target that matches, or null.
 * @template {Element} [T=HTMLElement]
 * @param {Event} event
 * @param {string} selector
 * @param {new () => T} [kind] HTMLElement by default
 * @returns {T | null}
 */
export function closest(event, selector, kind) {
  const found = event.target instanceof Element ? event.target.closest(selector) : null;
  return found instanceof (kind ?? HTMLElement) ? /** @type {any} */ (found) : null;
}

/**
 * Return a form's control, or null. Inputs, selects, textareas and groups of radio buttons all have a `value`.
 * @param {HTMLFormElement} form
 * @param {string} name
 * @returns {HTMLInputElement | null}
 */
export const findField = (form, name) => /** @type {any} */ (form.elements.namedItem(name));

/**
 * Return a form's control. Throws an Error if the form has none.
 * @param {HTMLFormElement} form
 * @param {string} name
 */
export function field(form, name) {
  const found = findField(form, name);
  if (!found) throw new Error(`The form has no field ${name}.`);
  return found;
}

/**
 * Create an element.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, string>} [attributes]
 * @param {(Node | string)[]} children
 */
export function element(tag, attributes = {}, ...children) {
  const created = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) created.setAttribute(name, value);
  created.append(...children);
  return created;
}

/** A request that the server refused. `errors` has the problems by field, `problem` the whole response. */
export class RequestError extends Error {
  /** @param {string} detail @param {import("./types.js").FieldProblem[]} [errors] @param {Record<string, any>} [problem] */
  constructor(detail, errors = [], problem = {}) {
    super(detail);
    this.errors = errors;
    this.problem = problem;
  }
}

/** Return the text of an error. @param {unknown} error */
export const messageOf = (error) => (error instanceof Error ? error.message : String(error));

/** Return the problems by field of a refused request. @param {unknown} error */
export const errorsOf = (error) => (error instanceof RequestError ? error.errors : []);

/** Return the options of a request, with the CSRF token of the page. @param {RequestInit} options @returns {RequestInit} */
function withToken(options) {
  const token = document.querySelector("[name=csrfmiddlewaretoken]");
  if (!(token instanceof HTMLInputElement)) return options;
  return { ...options, headers: { ...options.headers, "X-CSRFToken": token.value } };
}

/**
 * Fetch from the platform. If the session has ended, the page offers to sign in; afterwards the request is sent again.
 * @param {string} path
 * @param {RequestInit} [options]
 */
export async function request(path, options = {}) {
  const response = await fetch(path, withToken(options));
  const changes = (options.method ?? "GET") !== "GET";
  const again = response.status === 401
    ? await session.signIn(changes)
    // After signing in in another tab, the token of this page is no longer valid.
    : response.status === 403 && changes && (await response.clone().text()).includes("CSRF") && await session.check();
  return again ? fetch(path, withToken(options)) : response;
}

/**
 * Send JSON and return the JSON of the response. Throws a RequestError with the problem's detail.
 * @param {string} method
 * @param {string} path
 * @param {unknown} [body]
 * @returns {Promise<any>}
 */
export async function send(method, path, body) {
  const response = await request(path, {
    method,
    headers: { "Content-Type": "application/json" },
    body: body === undefined ? undefined : write(body),
  });
  if (response.status === 401) throw new RequestError(gettext("You are signed out. Sign in to continue."));
  const content = response.status === 204 ? null : read(await response.text());
  if (!response.ok) throw new RequestError(content.detail, content.errors, content);
  return content;
}

/** Return the JSON at a path. Throws a RequestError. @param {string} path @returns {Promise<any>} */
export const fetchJson = (path) => send("GET", path);

/** @param {number} ms */
export function duration(ms) {
  if (ms < 0.05) return `< ${decimal(0.1)} ms`;
  if (ms < 1000) return `${ms < 10 ? decimal(ms) : Math.round(ms)} ms`;
  if (ms < 60_000) return `${decimal(ms / 1000)} s`;
  return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`;
}

/** @param {number} bytes */
export function size(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  return bytes < 1e6 ? `${decimal(bytes / 1e3)} kB` : `${decimal(bytes / 1e6)} MB`;
}

/**
 * Return an icon of icons.svg, whose URL is in the page's data.
 * @param {string} name
 * @param {number} [pixels]
 */
export function icon(name, pixels = 16) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  for (const name of ["width", "height"]) svg.setAttribute(name, String(pixels));
  use.setAttribute("href", `${data.icons}#${name}`);
  svg.append(use);
  return svg;
}

/** Copy a text to the clipboard. Returns whether the browser allowed it. @param {string} text */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}
