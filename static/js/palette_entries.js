/**
 * What the command palette offers: pages and commands from its template, what can be done on this page (every element
 * with `data-command`), and what the server finds. The entries that were chosen last are remembered as ids and paths,
 * never as names: the browser may have other users.
 */
import { byId, fetchJson } from "./page.js";
import { createWorkflow } from "./new_workflow.js";
import { gettext } from "./translations.js";

/**
 * @typedef {object} Entry
 * @property {string} key
 * @property {string} group a key of GROUPS, or the kind of what the server found
 * @property {string} title
 * @property {string} detail
 * @property {string} icon
 * @property {string} keys a shortcut
 * @property {string} [href] of a page
 * @property {() => unknown} [act] of a command
 */

const RECENT = 10;
const STORED = `palette-recent-${document.querySelector('meta[name="user"]')?.getAttribute("content")}`;

/** The names of the groups, in their order before anything is typed. */
export const GROUPS = new Map([
  ["here", gettext("On this page")],
  ["workflow", gettext("Workflows")],
  ["execution", gettext("Executions")],
  ["page", gettext("Pages")],
  ["command", gettext("Commands")],
  ["endpoint", gettext("Webhook endpoints")],
]);
const ICONS = new Map([["workflow", "workflows"], ["execution", "executions"], ["endpoint", "webhook"]]);

const template = byId("palette-entries", HTMLTemplateElement);

export const ICON_FILE = template.dataset.icons ?? "";

/** @param {HTMLElement} source @returns {Entry} */
function fromTemplate(source) {
  const title = (source.textContent ?? "").trim().replace(/\s+/g, " ");
  const { icon = "dot", keys = "", click, newWorkflow } = source.dataset;
  const shown = { title, detail: "", icon, keys };
  if (source instanceof HTMLAnchorElement) {
    return { ...shown, key: `page:${source.pathname}`, group: "page", href: source.href };
  }
  const act = newWorkflow ? () => createWorkflow(newWorkflow) : () => byId(click ?? "").click();
  return { ...shown, key: `command:${click ?? `new-workflow:${newWorkflow}`}`, group: "command", act };
}

/** @param {HTMLElement} control @returns {Entry} */
function fromPage(control) {
  const title = control.dataset.command ?? "";
  const shown = { title, detail: "", icon: control.dataset.commandIcon ?? "play", keys: "" };
  return { ...shown, key: `here:${title}`, group: "here", act: () => control.click() };
}

/** @param {HTMLElement} control */
const isOffered = (control) => !control.closest("[hidden]") && !control.matches(":disabled");

/** The main command of a page comes first, what destroys something last. @param {HTMLElement} control */
const weight = ({ classList }) => Number(classList.contains("danger")) - Number(classList.contains("primary"));

/** Return the commands of this page, the pages and the other commands. @returns {Entry[]} */
export function localEntries() {
  const here = /** @type {HTMLElement[]} */ ([...document.querySelectorAll("[data-command]")]);
  const others = /** @type {HTMLElement[]} */ ([...template.content.querySelectorAll("a, button")]);
  here.sort((a, b) => weight(a) - weight(b));
  return [...here.filter(isOffered).map(fromPage), ...others.map(fromTemplate)];
}

/** @param {any} found @returns {Entry} */
function fromServer({ kind, id, title, detail, page, workspace }) {
  return {
    key: `${kind}:${id}`,
    group: kind,
    title,
    detail: [detail, template.content.querySelectorAll("[data-new-workflow]").length > 1 && workspace].filter(Boolean)
      .join(" · "),
    icon: ICONS.get(kind) ?? "dot",
    keys: "",
    href: page,
  };
}

/** Ask the server. Throws a RequestError. @param {string} typed @returns {Promise<Entry[]>} */
export async function foundEntries(typed) {
  const ids = recentKeys().filter((key) => ICONS.has(key.split(":")[0])).map((key) => key.split(":")[1]);
  const asked = new URLSearchParams();
  if (typed) asked.set("q", typed);
  else if (ids.length) asked.set("recent", ids.join(","));
  const { results } = await fetchJson(`${template.dataset.search}?${asked}`);
  return results.map(fromServer);
}

/** Return the keys of the entries that were chosen last, the newest first. @returns {string[]} */
export function recentKeys() {
  try {
    const keys = JSON.parse(localStorage.getItem(STORED) ?? "[]");
    return Array.isArray(keys) ? keys.filter((key) => typeof key === "string") : [];
  } catch {
    return []; // storage may be off
  }
}

/** @param {Entry} entry */
export function remember(entry) {
  try {
    const keys = [entry.key, ...recentKeys().filter((key) => key !== entry.key)];
    localStorage.setItem(STORED, JSON.stringify(keys.slice(0, RECENT)));
  } catch {
    // storage may be off
  }
}
