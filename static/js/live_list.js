/** A live list of executions: statuses change with events, and the server renders changed rows again, filtered. */
import { showConnection } from "./connection.js";
import { EventStream } from "./event_stream.js";
import { byId, findById, query } from "./page.js";
import { swapFrom } from "./refresh.js";
import { refreshTimes } from "./times.js";

/** @import { Envelope } from "./event_stream.js" */
/** @typedef {{stream: string, head: number, grows: boolean, listed: number}} ListData */

/** @type {Record<string, string>} */
const STATUSES = {
  queued: "queued",
  started: "running",
  resumed: "running",
  recovered: "running",
  waiting: "waiting",
  paused: "paused",
  completed: "completed",
  failed: "failed",
  cancelled: "cancelled",
  timed_out: "timed_out",
};
const ENDED = new Set(["completed", "failed", "cancelled", "timed_out"]);
const MAX_IDS = 100; // per request, as the server allows
const PAUSE = 250; // ms between requests
const REMEMBERED = 1000; // events

/** @returns {ListData} */
const listData = () => JSON.parse(byId("list-data").textContent);

/** @param {string} id */
const rowOf = (id) => findById(`execution-${id}`);

export class LiveList {
  /** @type {Set<string>} ids whose rows are out of date */
  #changed = new Set();
  /** @type {Envelope[]} */
  #remembered = [];
  /** @type {Set<string>} ids of rows that are being added */
  #added = new Set();
  #busy = false;

  /** @param {() => string} filters as a query string @param {(events: Envelope[]) => void} [onEvents] */
  constructor(filters, onEvents = () => {}) {
    this.filters = filters;
    this.list = listData();
    const connection = new EventStream();
    showConnection(connection);
    connection.subscribe(this.list.stream, {
      after: this.list.head,
      onEvents: (events) => {
        this.#remembered = [...this.#remembered, ...events].slice(-REMEMBERED);
        this.#apply(events);
        onEvents(events);
      },
    });
  }

  /** Read a list that has just arrived from the server, and apply the events since its head. */
  read() {
    this.list = listData();
    refreshTimes();
    const { head } = this.list;
    this.#apply(this.#remembered.filter((event) => event.sequence > head));
  }

  /** @param {Envelope[]} events */
  #apply(events) {
    for (const { type, execution_id: id } of events) {
      const status = STATUSES[type.replace("execution.", "")];
      if (!status || !id) continue;
      const row = rowOf(id);
      if (row) showStatus(row, status);
      if (row || this.list.grows) this.#changed.add(id);
    }
    if (this.#changed.size && !this.#busy) this.#fetch();
  }

  async #fetch() {
    this.#busy = true;
    while (this.#changed.size) {
      const ids = [...this.#changed].slice(-MAX_IDS);
      this.#changed.clear();
      for (const id of ids) if (!rowOf(id)) this.#add(id);
      await swapFrom("executions", `/executions/rows/?${this.filters()}&ids=${ids.join(",")}`, "none settle:0ms")
        .catch(() => ids.forEach((id) => this.#changed.add(id))); // offline: tried again
      this.#tidy();
      await new Promise((resolve) => setTimeout(resolve, PAUSE));
    }
    this.#busy = false;
  }

  /** Add an empty row for an id, which the server fills or removes. Ids grow with time; the newest row is first.
   *  @param {string} id */
  #add(id) {
    const rows = /** @type {HTMLTableRowElement[]} */ ([...byId("executions").children]);
    const row = document.createElement("tr");
    row.id = `execution-${id}`;
    row.dataset.id = id;
    row.hidden = true;
    byId("executions").insertBefore(row, rows.find((each) => (each.dataset.id ?? "") < id) ?? null);
    this.#added.add(id);
  }

  /** The server's rows are in place: mark the new ones, drop the rows beyond the page, and tell if there are none. */
  #tidy() {
    const body = byId("executions");
    for (const id of this.#added) if (rowOf(id)?.hidden === false) rowOf(id)?.classList.add("fresh");
    this.#added.clear();
    while (body.children.length > this.list.listed) body.lastElementChild?.remove();
    const none = body.children.length === 0;
    byId("empty").hidden = !none;
    body.closest("table")?.toggleAttribute("hidden", none);
    refreshTimes();
  }
}

/** Show a status at once, before the row is fetched. An ended execution keeps its status.
 *  @param {HTMLElement} row @param {string} status */
function showStatus(row, status) {
  if (row.hidden || ENDED.has(row.dataset.executionStatus ?? "")) return;
  row.dataset.executionStatus = status;
  const badge = query(row, ".status");
  badge.dataset.status = status;
  badge.textContent = status.replace("_", " ");
}
