/** A list of executions that stays true: rows change as events arrive, and come anew from the server, which filters. */
import { showConnection } from "./connection.js";
import { EventStream } from "./event_stream.js";
import { by } from "./page.js";
import { tell } from "./times.js";

const STATUSES = { queued: "queued", started: "running", resumed: "running", recovered: "running", waiting: "waiting", paused: "paused", completed: "completed", failed: "failed", cancelled: "cancelled", timed_out: "timed_out" };
const ENDED = new Set(["completed", "failed", "cancelled", "timed_out"]);
const MOST_IDS = 100; // as many as the server gives at once
const BETWEEN_REQUESTS = 250; // ms
const REMEMBERED = 1000;

/** @typedef {{stream: string, head: number, grows: boolean, listed: number, filters?: string}} ListData */

export class LiveList {
  /** @param {() => string} query the filters in force @param {(events: any[]) => void} [also] hears of all events */
  constructor(query, also = () => {}) {
    this.query = query;
    this.also = also;
    this.changed = new Set();
    this.remembered = [];
    this.asking = false;
    this.read();
    const connection = new EventStream();
    showConnection(connection);
    connection.subscribe(this.list.stream, { after: this.list.head, onEvents: (events) => this.take(events) });
  }

  /** Take over a list that has just come from the server; what happened since its head is applied to it. */
  read() {
    /** @type {ListData} */
    this.list = JSON.parse(by("list-data").textContent);
    this.body = by("executions");
    tell();
    this.apply(this.remembered.filter((event) => event.sequence > this.list.head));
  }

  take(events) {
    this.remembered = [...this.remembered, ...events].slice(-REMEMBERED);
    this.apply(events);
    this.also(events);
  }

  apply(events) {
    for (const event of events) {
      const status = STATUSES[event.type.replace("execution.", "")];
      if (!status) continue;
      const row = this.row(event.execution_id);
      if (row) show(row, status);
      if (row || this.list.grows) this.changed.add(event.execution_id);
    }
    if (this.changed.size) this.ask();
  }

  row(id) {
    return this.body.querySelector(`[data-id="${id}"]`);
  }

  /** Bring what changed, as the server shows it now; one request at a time. */
  async ask() {
    if (this.asking) return;
    this.asking = true;
    const ids = [...this.changed].slice(-MOST_IDS);
    this.changed.clear();
    try {
      const answer = await fetch(`/executions/rows/?${this.query()}&ids=${ids.join(",")}`);
      if (answer.ok) this.merge(new DOMParser().parseFromString(await answer.text(), "text/html"), ids);
    } catch {
      ids.forEach((id) => this.changed.add(id)); // offline: asked again with the next event, or below
    }
    setTimeout(() => {
      this.asking = false;
      if (this.changed.size) this.ask();
    }, BETWEEN_REQUESTS);
  }

  merge(answer, ids) {
    const counters = by("counters");
    if (counters) counters.replaceWith(answer.getElementById("counters"));
    for (const id of ids) {
      const fresh = answer.querySelector(`#fresh [data-id="${id}"]`);
      const old = this.row(id);
      if (!fresh) old?.remove();
      else if (old) old.replaceWith(fresh);
      else if (this.list.grows) this.insert(fresh);
    }
    while (this.body.children.length > this.list.listed) this.body.lastElementChild.remove();
    const none = this.body.children.length === 0;
    by("empty").hidden = !none;
    this.body.closest("table").hidden = none;
    tell();
  }

  /** Put a row where its id, which grows with time, belongs: newest first. */
  insert(fresh) {
    const next = [...this.body.children].find((row) => row.dataset.id < fresh.dataset.id);
    this.body.insertBefore(fresh, next ?? null);
    fresh.classList.add("fresh");
  }
}

/** Show a status at once, before the row comes anew; one that has ended stays as it is. */
function show(row, status) {
  if (ENDED.has(row.dataset.executionStatus)) return;
  row.dataset.executionStatus = status;
  const badge = row.querySelector(".status");
  badge.dataset.status = status;
  badge.textContent = status.replace("_", " ");
}
