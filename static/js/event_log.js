/** The event log: a row for each event, which opens to its JSON; filtered by type and text; follows what comes. */
import { jsonView } from "./json_view.js";
import { counted, duration, element } from "./page.js";

const MOST_ROWS = 1000;
const COLOURS = {
  queued: "queued", started: "running", resumed: "running", recovered: "waiting", waiting: "waiting", paused: "paused",
  completed: "completed", failed: "failed", cancelled: "cancelled", timed_out: "timed_out", cancel_requested: "cancelled",
  node_started: "running", node_completed: "completed", node_failed: "failed", node_retrying: "waiting",
  node_skipped: "skipped", node_waiting: "waiting",
};
const kindOf = (event) => event.type.replace("execution.", "");

/** Say in words what an event tells. */
function words({ data: d }) {
  if (d.edge) return counted(d.items);
  if (d.next_attempt) return `attempt ${d.attempt} failed, the next in ${duration(d.delay_ms)}: ${d.error.message}`;
  if (d.error) return d.error.message;
  if (d.cached_from) return `served from the cache in ${duration(d.summary.duration_ms)}`;
  if (d.summary) return `${d.summary.nodes_executed} node runs in ${duration(d.summary.duration_ms)}`;
  if (d.total) return `${d.completed} of ${d.total} nodes`;
  const said = [d.reason, d.message, d.rerun_of ? "a rerun" : null];
  if (d.output_items !== undefined) said.push(`${counted(d.output_items)} in ${duration(d.duration_ms)}`, d.from_cache ? "from the cache" : null);
  else if (d.input_items !== undefined) said.push(`${counted(d.input_items)} in`);
  if (d.trigger) said.push(`by ${d.by ?? d.trigger}`);
  else if (d.worker) said.push(`on ${d.worker}`);
  return said.filter(Boolean).join(" · ");
}

/** Return the time of day, local, to the millisecond. */
function clock(time) {
  const date = new Date(time);
  return `${date.toLocaleTimeString("en-GB")}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}

export class EventLog {
  /** @param {{list: HTMLElement, search: HTMLInputElement, types: HTMLSelectElement, count: HTMLElement}} parts
   *  @param {Map<string, string>} names of the nodes by id */
  constructor({ list, search, types, count }, names) {
    Object.assign(this, { list, search, types, count, names });
    this.events = [];
    this.drawn = 0; // how many of the events are in the list, or were left out by the filter
    for (const control of [search, types]) control.addEventListener("input", () => this.redraw());
  }

  /** @param {import("./event_stream.js").Envelope[]} batch */
  add(batch) {
    const known = new Set([...this.types.options].map((option) => option.value));
    for (const kind of new Set(batch.map(kindOf))) if (!known.has(kind)) this.types.append(element("option", { value: kind }, kind));
    this.events.push(...batch);
  }

  redraw() {
    this.list.replaceChildren();
    this.drawn = 0;
    this.draw();
  }

  fits(event, text) {
    if (this.types.value && kindOf(event) !== this.types.value) return false;
    event.text ??= `${event.type} ${this.about(event)} ${JSON.stringify(event.data)}`.toLowerCase();
    return event.text.includes(text);
  }

  draw() {
    const { list } = this;
    const text = this.search.value.trim().toLowerCase();
    const follows = list.scrollTop + list.clientHeight >= list.scrollHeight - 30;
    const fresh = this.events.slice(this.drawn).filter((event) => this.fits(event, text));
    this.drawn = this.events.length;
    if (fresh.length) list.append(...fresh.slice(-MOST_ROWS).map((event) => this.row(event)));
    while (list.children.length > MOST_ROWS) list.firstChild.remove();
    if (follows) list.scrollTop = list.scrollHeight;
    const shown = list.children.length;
    this.count.textContent = shown === this.events.length ? `${shown}` : `${shown} of ${this.events.length}`;
  }

  /** Return which node or edge an event is about. */
  about({ data: d }) {
    const name = (id) => this.names.get(id) ?? id;
    if (d.edge) return `${name(d.edge.source)} → ${name(d.edge.target)}`;
    const node = d.name ?? d.node ?? d.error?.node;
    return node ? `${name(node)}${d.run_index ? ` #${d.run_index + 1}` : ""}` : "";
  }

  row(event) {
    const kind = kindOf(event);
    const row = element("details", { class: event.data.taken_from ? "taken" : "", "data-status": COLOURS[kind] ?? "" }, element("summary", {},
      element("span", { class: "sequence" }, String(event.sequence)), element("time", { datetime: event.time, title: event.time }, clock(event.time)),
      element("b", {}, kind), element("span", { class: "about" }, this.about(event)), element("span", { class: "words" }, words(event))));
    const { text: _, ...envelope } = event;
    row.addEventListener("toggle", () => row.append(jsonView(envelope)), { once: true });
    return element("li", {}, row);
  }
}
