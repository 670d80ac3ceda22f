/**
 * Events: the history across all streams, with filters in the address, pages of the newest events first, and live
 * updates. Live updates are read from the history too, so that the filters apply; the stream only says when to look.
 */
import { showConnection } from "./connection.js";
import { EventStream } from "./event_stream.js";
import { EventRows } from "./explorer_rows.js";
import { momentText, zones } from "./moments.js";
import {
  buttonById,
  byId,
  data,
  element,
  errorsOf,
  fetchJson,
  field,
  findField,
  formById,
  messageOf,
  number,
  RequestError,
} from "./page.js";
import { showReplays } from "./replays.js";
import { isoMoment, showTimeInputs } from "./time_inputs.js";
import { copyAndTell } from "./toast.js";
import { gettext, ngettext } from "./translations.js";
import { workflowNames } from "./workflow_names.js";

/** @import { Envelope } from "./event_stream.js" */
/** @typedef {{events: Envelope[], next: string, more: boolean, complete: boolean, newest?: string}} Page */

const PAGE = 100;
const MAX_ROWS = 5000; // while live, the oldest rows are removed
const GATHER = 250; // ms in which messages of the stream become one request
const LOOK_AGAIN = 1200; // ms after a message: the history trails the oldest open transaction
const POLL = 5000; // ms without a message
const TYPING = 350; // ms

const form = formById("filters");
const list = byId("log");
const resultText = byId("results-status");
const load = buttonById("load");
/** @type {Map<string, string>} */
const workflows = new Map();
const rows = new EventRows(workflows, choose);

/** What is shown, and the cursors at both ends. */
let shown = { next: "", newest: "", more: false, count: 0, searching: false, cut: false };
let generation = 0; // grows with each change of the filters: earlier responses are dropped

// --- the query -----------------------------------------------------------------------------------------------------

/** Return the filters as they are in the address. */
function filters() {
  const query = new URLSearchParams();
  for (const [name, value] of new FormData(form)) {
    const text = String(value);
    if (!text.trim()) continue;
    if ((name === "since" || name === "until") && field(form, "range").value !== "between") continue;
    query.set(name, name === "q" ? text : text.trim());
  }
  return query;
}

/** Return the filters as the API takes them. */
function apiQuery() {
  const query = filters();
  const range = query.get("range");
  query.delete("range");
  // The workspace chosen in the navigation, unless the filters name what is in one.
  if (data.workspace && !["workspace", "workflow", "execution"].some((name) => query.has(name))) {
    query.set("workspace", data.workspace);
  }
  if (range && range !== "between") query.set("since", new Date(Date.now() - Number(range) * 1000).toISOString());
  else for (const name of ["since", "until"]) if (query.has(name)) query.set(name, isoMoment(query.get(name) ?? ""));
  return query;
}

/** @param {Record<string, string>} parameters @returns {Promise<Page>} */
function read(parameters) {
  const query = apiQuery();
  for (const [name, value] of Object.entries(parameters)) query.set(name, value);
  return fetchJson(`/api/events/?${query}`);
}

/** Fill the form from the address. */
function readAddress() {
  form.reset();
  for (const name of ["since", "until"]) field(form, name).value = ""; // hidden inputs are not reset
  for (const [name, value] of new URLSearchParams(location.search)) {
    const control = findField(form, name);
    if (!(control instanceof HTMLElement)) continue;
    /** @type {HTMLElement} */
    const select = control;
    if (select instanceof HTMLSelectElement && ![...select.options].some((option) => option.value === value)) {
      select.append(new Option(value, value));
    }
    control.value = value;
  }
  showTimeInputs(form);
}

/** Put the days between the rows, and show how many rows there are. */
function update() {
  let last = "";
  for (const each of /** @type {HTMLElement[]} */ ([...list.children])) {
    if (each.classList.contains("day")) each.remove();
    else if (each.dataset.day !== last) {
      last = each.dataset.day ?? "";
      each.before(element("li", { class: "day" }, last));
    }
  }
  const { count, more, searching } = shown;
  byId("empty").hidden = count > 0 || more || searching;
  if (searching) resultText.textContent = gettext("Searching · {count} found", { count: number(count) });
  else if (shown.cut) {
    resultText.textContent = ngettext(
      "The newest {count} event. Reload the page for older ones.",
      "The newest {count} events. Reload the page for older ones.",
      count,
    );
  } else if (more) {
    resultText.textContent = ngettext(
      "{count} event loaded, there are more",
      "{count} events loaded, there are more",
      count,
    );
  } else resultText.textContent = count ? ngettext("{count} event, no more", "{count} events, no more", count) : "";
  load.textContent = searching ? gettext("Stop") : count < PAGE ? gettext("Continue search") : gettext("Load more");
  load.hidden = !more && !searching;
  byId("more").hidden = !resultText.textContent && load.hidden;
}

// --- reading -------------------------------------------------------------------------------------------------------

/** Load a page of older events. Where matches are rare, it sends requests until the page is full or the user stops. */
async function loadOlder() {
  const mine = generation;
  const before = shown.count;
  shown.searching = true;
  update();
  try {
    while (shown.searching && shown.count - before < PAGE) {
      const limit = String(PAGE - (shown.count - before));
      const page = await read({ order: "newest", limit, ...(shown.next ? { after: shown.next } : {}) });
      await rows.learnNames(page.events);
      if (mine !== generation) return;
      list.append(...page.events.map((event) => rows.row(event)));
      shown.newest ||= page.newest ?? "";
      Object.assign(shown, { next: page.next, more: page.more, count: shown.count + page.events.length });
      update();
      if (!page.more) break;
    }
  } catch (error) {
    if (mine !== generation) return;
    showProblem(error);
  }
  shown.searching = false;
  byId("results").setAttribute("aria-busy", "false");
  update();
}

/** @param {unknown} error */
function showProblem(error) {
  const refused = error instanceof RequestError;
  byId("problem").textContent = refused
    ? messageOf(error)
    : gettext("Couldn't reach the server. Change a filter to try again.");
  byId("problem").hidden = false;
  for (const { field: name = "" } of errorsOf(error)) {
    const control = form.elements.namedItem(name.split(".")[0]);
    if (control instanceof HTMLElement) control.setAttribute("aria-invalid", "true");
  }
  shown.more = false;
}

/** Read from the start with the current filters. */
async function restart() {
  generation += 1;
  const mine = generation;
  shown = { next: "", newest: "", more: false, count: 0, searching: false, cut: false };
  byId("problem").hidden = true;
  for (const control of form.querySelectorAll("[aria-invalid]")) control.removeAttribute("aria-invalid");
  byId("between").hidden = field(form, "range").value !== "between";
  byId("export", HTMLAnchorElement).href = exportUrl();
  byId("results").setAttribute("aria-busy", "true");
  list.replaceChildren();
  await loadOlder();
  if (mine === generation && live.on) live.look();
}

// --- live ----------------------------------------------------------------------------------------------------------

class Live {
  on = false;
  #looking = false;
  #again = false;
  /** @type {Set<number>} */
  #timers = new Set();
  /** @type {EventStream | null} */
  #connection = null;

  /** @param {boolean} on */
  turn(on) {
    this.on = on;
    byId("live").setAttribute("aria-checked", String(on));
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    if (!on) {
      this.#connection?.close();
      this.#connection = null;
      byId("connection").hidden = true;
      return;
    }
    this.#connection = new EventStream();
    showConnection(this.#connection);
    const onEvents = () => {
      this.#soon(GATHER);
      this.#soon(LOOK_AGAIN);
    };
    this.#connection.subscribe(data.feed, { after: -1, onEvents });
    this.#soon(0);
  }

  /** @param {number} delay */
  #soon(delay) {
    if (!this.on || this.#timers.size > 3) return;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      this.look();
    }, delay);
    this.#timers.add(timer);
  }

  /** Load the events since the newest one. */
  async look() {
    if (!this.on || !shown.newest) return;
    if (this.#looking) return void (this.#again = true);
    this.#looking = true;
    const mine = generation;
    try {
      const page = await read({ order: "oldest", after: shown.newest, limit: String(PAGE) });
      await rows.learnNames(page.events);
      if (mine === generation) this.#add(page);
      this.#again ||= page.more;
    } catch {
      // Offline: tried again below, and when the stream is back.
    }
    this.#looking = false;
    if (this.#again) this.#soon(0);
    else if (this.#timers.size === 0) this.#soon(POLL);
    this.#again = false;
  }

  /** @param {Page} page */
  #add(page) {
    shown.newest = page.next;
    const added = page.events.filter((event) => !list.querySelector(`[data-id="${event.id}"]`)).map((event) =>
      rows.row(event)
    ).reverse();
    if (!added.length) return;
    for (const each of added) each.classList.add("fresh");
    list.prepend(...added);
    shown.count += added.length;
    const all = list.querySelectorAll("[data-id]");
    if (all.length > MAX_ROWS) {
      for (const each of [...all].slice(MAX_ROWS)) each.remove();
      Object.assign(shown, { more: false, count: MAX_ROWS, cut: true }); // the cursor is lost: a reload starts again
    }
    update();
  }
}

const live = new Live();

// --- controls ------------------------------------------------------------------------------------------------------

/** @param {string} name @param {string} value */
function choose(name, value) {
  field(form, name).value = value;
  applyFilters();
  scrollTo({ top: 0, behavior: "smooth" });
}

function applyFilters() {
  const query = filters().toString();
  if (`?${query}` !== (location.search || "?")) history.pushState(null, "", query ? `?${query}` : location.pathname);
  restart();
}

/** Return the URL of the same events as a file. */
function exportUrl() {
  const query = apiQuery();
  const keys = [...query.keys()];
  if (keys.length === 1 && keys[0] === "execution") {
    return `/api/events/export/?stream=execution:${query.get("execution")}`;
  }
  query.set("format", "ndjson");
  return `/api/events/?${query}`;
}

byId("curl").addEventListener("click", () => {
  const url = new URL(exportUrl(), location.href).href.replaceAll("'", "%27");
  const command = `curl -sH "Authorization: Bearer $TOKEN" '${url}'`;
  copyAndTell(command, gettext("Command copied. Set $TOKEN to an API token."));
});
zones.addEventListener("change", () => {
  for (const row of /** @type {NodeListOf<HTMLElement>} */ (list.querySelectorAll("[data-time]"))) {
    row.dataset.day = momentText(row.dataset.time ?? "", "day");
  }
  update();
});
byId("replays").addEventListener("click", () => showReplays());
byId("live").addEventListener("click", () => live.turn(!live.on));
load.addEventListener("click", () => (shown.searching ? (shown.searching = false) : loadOlder()));
let typing = 0;
form.addEventListener("input", ({ target }) => {
  clearTimeout(typing);
  typing = setTimeout(applyFilters, target instanceof HTMLSelectElement ? 0 : TYPING);
});
form.addEventListener("submit", (event) => event.preventDefault());
addEventListener("popstate", () => {
  readAddress();
  restart();
});

/** Load the names of workflows, for the filter and the rows. */
async function loadWorkflows() {
  for (const [id, name] of await workflowNames) workflows.set(id, name);
  const select = /** @type {HTMLSelectElement} */ (form.elements.namedItem("workflow"));
  const chosen = [...select.options].find((option) => workflows.has(option.value)); // put there for the address
  for (const [id, name] of [...workflows].sort((a, b) => a[1].localeCompare(b[1]))) {
    const option = chosen?.value === id ? chosen : new Option(name, id);
    option.text = name;
    select.append(option);
  }
}

readAddress(); // before anything is chosen on the page
await loadWorkflows().catch(() => undefined);
restart();
