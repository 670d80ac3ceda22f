/**
 * The history over all streams: filters in the page's address, pages of the newest events first, and, while it is live,
 * what comes. What comes is read from history as well, so that the filters hold; the stream only says that there is some.
 */
import { showConnection } from "./connection.js";
import { about, colour, words } from "./event_words.js";
import { EventStream } from "./event_stream.js";
import { jsonView } from "./json_view.js";
import { by, data, element, icon, number } from "./page.js";
import { toast } from "./toast.js";

/** @import { Envelope } from "./event_stream.js" */
/** @typedef {{events: Envelope[], next: string, more: boolean, complete: boolean, newest?: string}} Page */

const PAGE = 100;
const MOST_SHOWN = 5000; // rows; while it is live the oldest ones go
const GATHER = 250; // ms in which messages of the stream become one question
const LOOK_AGAIN = [1200, 5000]; // ms after a message: history trails the oldest transaction at work; and without one
const TYPING = 350;

const form = /** @type {HTMLFormElement} */ (by("filters"));
const [list, said, load, problem] = [by("log"), by("said"), by("load"), by("problem")];
const workflows = new Map();
const day = new Intl.DateTimeFormat("en", { weekday: "long", day: "numeric", month: "long", year: "numeric" });
const names = new Map();
const sources = new Set();

/** What is shown, and where it goes on at both ends. */
let shown = { next: "", newest: "", more: false, count: 0, searching: false };
let asked = 0; // grows with each new filter: answers to earlier ones are dropped

// --- what is asked for -------------------------------------------------------------------------------------------------

/** Return the filters as the page's address has them. */
function chosen() {
  const query = new URLSearchParams();
  for (const [name, value] of new FormData(form)) {
    if (!String(value).trim()) continue;
    if ((name === "since" || name === "until") && form.elements.range.value !== "between") continue;
    query.set(name, name === "q" ? String(value) : String(value).trim());
  }
  return query;
}

/** Return the filters as the API takes them. */
function question() {
  const query = chosen();
  const range = query.get("range");
  query.delete("range");
  if (range && range !== "between") query.set("since", new Date(Date.now() - Number(range) * 1000).toISOString());
  else for (const name of ["since", "until"]) if (query.has(name)) query.set(name, `${query.get(name)}Z`);
  return query;
}

/** @param {Record<string, string>} more @returns {Promise<Page>} */
async function read(more) {
  const query = question();
  for (const [name, value] of Object.entries(more)) query.set(name, value);
  const answer = await fetch(`/api/events/?${query}`);
  const page = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(page.detail), { errors: page.errors ?? [] });
  return page;
}

/** Show the filters of the page's address. */
function fromAddress() {
  const query = new URLSearchParams(location.search);
  form.reset();
  for (const [name, value] of query) {
    const control = form.elements.namedItem(name);
    if (!(control instanceof HTMLElement)) continue;
    if (control instanceof HTMLSelectElement && ![...control.options].some((option) => option.value === value)) control.append(element("option", { value }, value));
    /** @type {HTMLInputElement} */ (control).value = value;
  }
}

// --- rows --------------------------------------------------------------------------------------------------------------

/** @param {Envelope} event */
function row(event) {
  const time = new Date(event.time);
  const [workflow, execution] = [workflows.get(event.workflow_id), event.execution_id?.slice(-8)];
  const summary = element("summary", {},
    element("time", { datetime: event.time, title: event.time }, `${time.toLocaleTimeString("en-GB")}.${String(time.getMilliseconds()).padStart(3, "0")}`),
    element("b", { title: event.type }, event.type),
    element("span", { class: "whose" }, element("span", {}, workflow ?? (event.workflow_id ? "A workflow" : "The installation")), element("small", {}, execution ?? "")),
    element("span", { class: "words" }, [about(event, names), words(event)].filter(Boolean).join(" · ")));
  const details = element("details", { "data-status": colour(event) }, summary);
  details.addEventListener("toggle", () => details.append(opened(event)), { once: true });
  const made = element("li", { "data-id": event.id, "data-day": day.format(time) }, details);
  if (event.source && !sources.has(event.source)) {
    sources.add(event.source);
    by("sources").append(element("option", { value: event.source }));
  }
  return made;
}

/** @param {Envelope} event */
function opened(event) {
  const only = (name, value, label) => {
    const button = element("button", { type: "button", class: "small" }, label);
    button.addEventListener("click", () => choose(name, value));
    return button;
  };
  const copy = element("button", { type: "button", class: "small" }, icon("copy", 14), "Copy JSON");
  copy.addEventListener("click", () => copied(JSON.stringify(event, null, 2), "The event was copied."));
  const actions = element("div", { class: "row" });
  if (event.execution_id) actions.append(element("a", { class: "button small", href: `/executions/${event.execution_id}/` }, "Open the execution"));
  else if (event.workflow_id && event.type !== "workflow.deleted") actions.append(element("a", { class: "button small", href: `/workflows/${event.workflow_id}/` }, "Open the workflow"));
  if (event.execution_id) actions.append(only("execution", event.execution_id, "Only this execution"));
  actions.append(only("type", event.type, "Only this type"), copy);
  return element("div", { class: "opened" }, actions, jsonView(event));
}

/** Put the names of days between the rows, and say how many there are. */
function tidy() {
  let last = "";
  for (const each of [...list.children]) {
    if (each.classList.contains("day")) each.remove();
    else if (each.dataset.day !== last) {
      last = each.dataset.day;
      each.before(element("li", { class: "day" }, last));
    }
  }
  const count = number(shown.count);
  by("empty").hidden = shown.count > 0 || shown.more || shown.searching;
  said.textContent = shown.searching ? `Searching · ${count} found`
    : shown.more ? `${count} events` : shown.count ? `${count} event${shown.count === 1 ? "" : "s"}, that is all` : "";
  load.textContent = shown.searching ? "Stop" : shown.count < PAGE ? "Search on" : "Load more";
  load.hidden = !shown.more && !shown.searching;
  by("more").hidden = !said.textContent && load.hidden;
}

// --- reading -----------------------------------------------------------------------------------------------------------

/** Bring a page of older events; where they are rare, answer after answer, until it is full or stopped. */
async function older() {
  const mine = asked;
  const had = shown.count;
  shown.searching = true;
  tidy();
  try {
    while (shown.searching && shown.count - had < PAGE) {
      const page = await read({ order: "newest", limit: String(PAGE - (shown.count - had)), ...(shown.next ? { after: shown.next } : {}) });
      if (mine !== asked) return;
      list.append(...page.events.map(row));
      shown.newest ||= page.newest ?? "";
      Object.assign(shown, { next: page.next, more: page.more, count: shown.count + page.events.length });
      tidy();
      if (!page.more) break;
    }
  } catch (error) {
    if (mine !== asked) return;
    fail(error);
  }
  shown.searching = false;
  by("results").setAttribute("aria-busy", "false");
  tidy();
}

/** @param {any} error */
function fail(error) {
  problem.textContent = error.errors ? error.message : "The server could not be asked. It is tried again with the next change.";
  problem.hidden = false;
  for (const { field } of error.errors ?? []) {
    const control = form.elements.namedItem(String(field).split(".")[0]);
    if (control instanceof HTMLElement) control.setAttribute("aria-invalid", "true");
  }
  shown.more = false;
}

/** Begin anew, with the filters as they are. */
async function begin() {
  asked += 1;
  shown = { next: "", newest: "", more: false, count: 0, searching: false };
  problem.hidden = true;
  for (const each of form.querySelectorAll("[aria-invalid]")) each.removeAttribute("aria-invalid");
  by("between").hidden = form.elements.range.value !== "between";
  by("export").href = exported();
  by("results").setAttribute("aria-busy", "true");
  const rows = list.children.length;
  const old = [...list.children];
  const mine = asked;
  const done = older();
  if (rows) for (const each of old) each.remove();
  await done;
  if (mine === asked && live.on) live.look();
}

// --- live --------------------------------------------------------------------------------------------------------------

class Live {
  on = false;
  looking = false;
  again = false;
  timers = new Set();
  /** @type {EventStream | null} */
  connection = null;

  /** @param {boolean} on */
  turn(on) {
    this.on = on;
    by("live").setAttribute("aria-checked", String(on));
    for (const timer of this.timers) clearTimeout(timer);
    this.timers.clear();
    if (!on) {
      this.connection?.close();
      this.connection = null;
      by("connection").hidden = true;
      return;
    }
    this.connection = new EventStream();
    showConnection(this.connection);
    this.connection.subscribe(data.feed, { after: -1, onEvents: () => { this.soon(GATHER); this.soon(LOOK_AGAIN[0]); } });
    this.soon(0);
  }

  /** @param {number} delay */
  soon(delay) {
    if (!this.on || this.timers.size > 3) return;
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      this.look();
    }, delay);
    this.timers.add(timer);
  }

  /** Bring what has come since the newest that was read. */
  async look() {
    if (!this.on || !shown.newest) return;
    if (this.looking) return void (this.again = true);
    this.looking = true;
    const mine = asked;
    try {
      const page = await read({ order: "oldest", after: shown.newest, limit: String(PAGE) });
      if (mine === asked) this.add(page);
      this.again ||= page.more;
    } catch {
      // Offline: looked for again below, and when the stream is back.
    }
    this.looking = false;
    if (this.again) this.soon(0);
    else if (this.timers.size === 0) this.soon(LOOK_AGAIN[1]);
    this.again = false;
  }

  /** @param {Page} page */
  add(page) {
    shown.newest = page.next;
    const fresh = page.events.filter((event) => !list.querySelector(`[data-id="${event.id}"]`)).map(row).reverse();
    if (!fresh.length) return;
    for (const each of fresh) each.classList.add("fresh");
    list.prepend(...fresh);
    shown.count += fresh.length;
    const rows = list.querySelectorAll("[data-id]");
    if (rows.length > MOST_SHOWN) {
      for (const each of [...rows].slice(MOST_SHOWN)) each.remove();
      // What was let go is found by its place no more: reloading brings it.
      Object.assign(shown, { more: false, count: MOST_SHOWN });
    }
    tidy();
  }
}

const live = new Live();

// --- controls ----------------------------------------------------------------------------------------------------------

/** @param {string} name @param {string} value */
function choose(name, value) {
  /** @type {HTMLInputElement} */ (form.elements.namedItem(name)).value = value;
  changed();
  scrollTo({ top: 0, behavior: "smooth" });
}

function changed() {
  const query = chosen().toString();
  if (`?${query}` === (location.search || "?")) return void begin();
  history.pushState(null, "", query ? `?${query}` : location.pathname);
  begin();
}

/** Return where the same events come from as a file. */
function exported() {
  const query = question();
  const only = [...query.keys()];
  if (only.length === 1 && only[0] === "execution") return `/api/events/export/?stream=execution:${query.get("execution")}`;
  query.set("format", "ndjson");
  return `/api/events/?${query}`;
}

/** @param {string} text @param {string} done */
async function copied(text, done) {
  try {
    await navigator.clipboard.writeText(text);
    toast(done);
  } catch {
    toast("The browser did not let this page copy.", "failed");
  }
}

by("curl").addEventListener("click", () => {
  const address = new URL(exported(), location.href).href.replaceAll("'", "%27");
  copied(`curl -sH "Authorization: Bearer $TOKEN" '${address}'`, "Copied. Put an API token into $TOKEN.");
});
by("live").addEventListener("click", () => live.turn(!live.on));
load.addEventListener("click", () => (shown.searching ? (shown.searching = false) : older()));
let typing = 0;
form.addEventListener("input", ({ target }) => {
  clearTimeout(typing);
  typing = setTimeout(changed, target instanceof HTMLSelectElement ? 0 : TYPING);
});
form.addEventListener("submit", (event) => event.preventDefault());
addEventListener("popstate", () => {
  fromAddress();
  begin();
});

/** Names of workflows, for the filter and the rows. */
async function nameWorkflows() {
  const answer = await fetch("/api/workflows/?limit=200");
  if (!answer.ok) return;
  for (const { id, name } of (await answer.json()).results) workflows.set(id, name);
  const select = form.elements.workflow;
  for (const [id, name] of [...workflows].sort((a, b) => a[1].localeCompare(b[1]))) select.append(element("option", { value: id }, name));
}

await nameWorkflows().catch(() => undefined);
fromAddress();
begin();
