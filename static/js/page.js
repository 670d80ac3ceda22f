/** What the pages share: their data, elements, requests. */
export const data = JSON.parse(document.getElementById("page-data").textContent);
export const by = (id) => document.getElementById(id);

/** @param {string} tag @param {Record<string, string>} attributes @param {(Node | string)[]} children */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** Send JSON and return the answer's. Throws an Error with the problem's detail, and its `errors`. */
export async function send(method, path, body) {
  const token = document.querySelector("[name=csrfmiddlewaretoken]")?.value;
  const answer = await fetch(path, {
    method,
    headers: { "Content-Type": "application/json", ...(token ? { "X-CSRFToken": token } : {}) },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const said = answer.status === 204 ? null : await answer.json();
  if (!answer.ok) throw Object.assign(new Error(said.detail), { errors: said.errors ?? [] });
  return said;
}

/** @param {number} ms */
export function duration(ms) {
  if (ms < 0.05) return "< 0.1 ms";
  if (ms < 1000) return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
  return ms < 60_000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`;
}

const digits = new Intl.NumberFormat("en");

/** @param {number} value */
export const number = (value) => digits.format(value);

/** @param {number} items */
export const counted = (items) => `${number(items)} item${items === 1 ? "" : "s"}`;

/** @param {number} bytes */
export function size(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

/** A picture of icons.svg, whose address the page has in its data. @param {string} name @param {number} [pixels] */
export function icon(name, pixels = 16) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  for (const [key, value] of Object.entries({ class: "icon", "aria-hidden": "true", width: pixels, height: pixels })) made.setAttribute(key, value);
  use.setAttribute("href", `${data.icons}#${name}`);
  made.append(use);
  return made;
}
