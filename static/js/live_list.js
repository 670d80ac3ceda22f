/**
 * A live list of executions. The rows that are shown change with events; the server renders them again. New executions
 * do not push the rows down: a button says how many there are, and shows them.
 */
import { showConnection } from "./connection.js";
import { EventStream } from "./event_stream.js";
import { byId, findById, query } from "./page.js";
import { onHtmx, swapFrom } from "./refresh.js";
import { refreshTimes } from "./times.js";
import { gettext, ngettext } from "./translations.js";
import { statusText } from "./words.js";

/** @import { Envelope } from "./event_stream.js" */
/** @typedef {{stream: string, head: number, grows: boolean, attributes?: string[]}} ListData */

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
const MOST_NEW = 500; // counted exactly
const PAUSE = 250; // ms between requests
const REMEMBERED = 1000; // events

/** @returns {ListData} */
const listData = () => JSON.parse(byId("list-data").textContent);

/** @param {string} id */
const rowOf = (id) => findById(`execution-${id}`);

export class LiveList {
  /** @type {Set<string>} ids whose rows are out of date */
  #changed = new Set();
  /** @type {Set<string>} ids without a row, of which the server says whether they match the filters */
  #unknown = new Set();
  /** @type {Set<string>} ids without a row that match */
  #new = new Set();
  /** @type {Envelope[]} */
  #remembered = [];
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
    document.addEventListener("click", ({ target }) => {
      if (target instanceof Element && target.id === "new-rows") this.showNew();
    });
    // A list from the browser's history has no target.
    onHtmx("afterSwap", ({ target }) => {
      if (!target || target.id === "list") this.#read();
    });
  }

  /** Show the new executions: fetch the list. */
  showNew() {
    swapFrom("list", location.href);
  }

  /** Read a list that has just arrived from the server, and apply the events since its head. */
  #read() {
    this.list = listData();
    this.#new.clear();
    this.#unknown.clear();
    this.#showCount();
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
      if (row) this.#changed.add(id);
      else if (this.list.grows && this.#new.size < MOST_NEW) this.#unknown.add(id);
    }
    if ((this.#changed.size || this.#unknown.size) && !this.#busy) this.#fetch();
  }

  async #fetch() {
    this.#busy = true;
    while (this.#changed.size || this.#unknown.size) {
      const [changed, unknown] = [this.#changed, this.#unknown].map((ids) => [...ids].slice(-MAX_IDS));
      this.#changed.clear();
      this.#unknown.clear();
      const query = `${this.filters()}&ids=${changed.join(",")}&new=${unknown.join(",")}`;
      try {
        // From an element that stays: the list may be replaced meanwhile.
        await swapFrom("content", `/executions/rows/?${query}`, "none settle:0ms");
        this.#countNew(unknown);
      } catch { // offline: tried again
        for (const id of changed) this.#changed.add(id);
        for (const id of unknown) this.#unknown.add(id);
      }
      refreshTimes();
      await new Promise((resolve) => setTimeout(resolve, PAUSE));
    }
    this.#busy = false;
  }

  /** The server has said which of these match the filters now. @param {string[]} asked */
  #countNew(asked) {
    const matching = new Set(byId("matching-rows", HTMLDataElement).value.split(","));
    for (const id of asked) {
      if (matching.has(id) && !rowOf(id)) this.#new.add(id);
      else this.#new.delete(id);
    }
    if (this.#new.size && !byId("executions").children.length) this.showNew(); // no row to move
    this.#showCount();
  }

  #showCount() {
    const button = findById("new-rows");
    if (!button) return;
    button.hidden = !this.#new.size;
    button.textContent = this.#new.size < MOST_NEW
      ? ngettext("{count} new", "{count} new", this.#new.size)
      : gettext("{count}+ new", { count: MOST_NEW });
  }
}

/** Show a status at once, before the row is fetched. An ended execution keeps its status.
 *  @param {HTMLElement} row @param {string} status */
function showStatus(row, status) {
  if (ENDED.has(row.dataset.executionStatus ?? "")) return;
  row.dataset.executionStatus = status;
  const badge = query(row, ".status");
  badge.dataset.status = status;
  badge.textContent = statusText(status);
}
