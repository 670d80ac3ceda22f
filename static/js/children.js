/** The executions that a node run has started. */
import { duration, element } from "./page.js";
import { gettext, ngettext, number } from "./translations.js";
import { statusText } from "./words.js";

const PAGE = 20;

/**
 * @typedef {object} Child
 * @property {string} id
 * @property {number | null} item the number of the input item that it was started for
 * @property {number | null} attempt
 * @property {string} workflow_name
 * @property {string} status
 * @property {{message: string} | null} error
 * @property {string | null} started_at
 * @property {string | null} ended_at
 */
/** @typedef {{next: string | null, counts: Record<string, number>, planned: number, results: Child[]}} Page */

export class ChildrenView {
  root = element("section", { class: "children", "aria-label": gettext("Executions started by this node") });
  #shown = "";
  #fetching = false;
  /** @type {(() => void) | null} the latest request that came while another was answered */
  #next = null;

  /** @param {string} execution */
  constructor(execution) {
    this.execution = execution;
  }

  /**
   * Show the executions that a node run has started, from the server.
   * @param {string} node
   * @param {number} runIndex
   * @param {string} version changes when there may be something new
   */
  async show(node, runIndex, version) {
    const key = `${node}#${runIndex}#${version}`;
    if (key === this.#shown) return;
    if (this.#fetching) {
      this.#next = () => this.show(node, runIndex, version); // one request at a time, however fast children end
      return;
    }
    if (!this.#shown.startsWith(`${node}#${runIndex}#`)) this.root.replaceChildren();
    this.#shown = key;
    this.#fetching = true;
    const path = `/api/executions/${this.execution}/nodes/${encodeURIComponent(node)}/children/`;
    try {
      const page = await read(`${path}?run_index=${runIndex}&limit=${PAGE}`);
      if (this.#shown === key) this.#draw(page);
    } catch { // no connection, or no JSON
      this.root.replaceChildren(element("p", { class: "empty" }, gettext("Couldn't load the executions.")));
    } finally {
      this.#fetching = false;
    }
    const next = this.#next;
    this.#next = null;
    next?.();
  }

  /** @param {Page} page */
  #draw(page) {
    const list = element("ol", {}, ...page.results.map(row));
    const head = element("h3", {}, gettext("Executions"), element("small", {}, summary(page)));
    const more = element("button", { type: "button", class: "small quiet" }, gettext("Show more"));
    let next = page.next;
    more.hidden = !next;
    more.addEventListener("click", async () => {
      if (!next) return;
      more.disabled = true;
      try {
        const further = await read(next);
        list.append(...further.results.map(row));
        next = further.next;
        more.hidden = !next;
      } finally {
        more.disabled = false;
      }
    });
    const none = page.results.length || page.planned ? [] : [element("p", { class: "muted" }, gettext("None yet"))];
    this.root.replaceChildren(head, ...none, list, more);
  }
}

/** @param {string} url @returns {Promise<Page>} */
async function read(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`status ${response.status}`);
  return response.json();
}

/** @param {Page} page */
function summary({ counts, planned }) {
  const parts = Object.entries(counts).map(([status, count]) =>
    gettext("{count} {status}", { count: number(count), status: statusText(status) })
  );
  if (planned) parts.push(ngettext("{count} item not started", "{count} items not started", planned));
  return parts.join(" · ");
}

/** @param {Child} child */
function row(child) {
  const name = child.item === null ? child.workflow_name : gettext("Item {item}", { item: number(child.item) });
  const link = element("a", { class: "link", href: `/executions/${child.id}/`, title: child.workflow_name }, name);
  const facts = [];
  const attempt = child.attempt ?? 1;
  if (child.item !== null && attempt > 1) facts.push(gettext("attempt {attempt}", { attempt }));
  if (child.started_at && child.ended_at) {
    facts.push(duration(Date.parse(child.ended_at) - Date.parse(child.started_at)));
  }
  if (child.error) facts.push(child.error.message);
  const status = element("span", { class: "status", "data-status": child.status }, statusText(child.status));
  return element("li", {}, link, status, element("small", {}, facts.join(" · ")));
}
