/**
 * The state of an execution from its rows, for a stream that is too long to be folded from its first event: its newest
 * node runs, the latest run of each node, and the items of each edge. Only events know the times of retries.
 */
import { addRun, edgeKey, emptyState } from "./fold.js";
import { data, fetchJson } from "./page.js";

/** @import { Page } from "./event_stream.js" */
/** @import { Found, SearchFilter } from "./log_search.js" */
/** @import { Subscription } from "./subscription.js" */
/** @import { State } from "./types.js" */

const RUNS = 300; // the newest; the timeline asks for the others
const RETRY_DELAY = 1000; // ms
export const ENDED = new Set(["completed", "failed", "cancelled", "timed_out"]);
const PATH = `/api/executions/${data.execution}/`;

/**
 * Return the events before a sequence: over the socket or, if that fails, over HTTP.
 * @param {Subscription} subscription
 * @param {number} before
 * @param {number} limit
 * @returns {Promise<Page>}
 */
export async function earlier(subscription, before, limit) {
  try {
    return await subscription.loadEarlier({ before, limit });
  } catch {
    const after = Math.max(0, before - 1 - limit);
    const { events } = await fetchJson(`${PATH}events/?after=${after}&limit=${before - 1 - after}`);
    return { events, complete: after === 0 };
  }
}

/**
 * Search the server for events before a sequence, the newest first.
 * @param {SearchFilter} filter
 * @param {number} before
 * @returns {AsyncGenerator<Found>}
 */
export async function* search({ kinds, texts }, before) {
  const query = new URLSearchParams({ execution: data.execution, order: "newest", limit: "1000" });
  query.set("before", String(before));
  for (const kind of kinds) query.append("type", `execution.${kind}`);
  for (const text of texts) query.append("q", text);
  for (let more = true; more;) {
    const page = await fetchJson(`/api/events/?${query}`);
    yield page;
    query.set("after", page.next);
    more = page.more;
  }
}

/**
 * Return what ran in a window of time, in ms from the start of the execution.
 * @param {number} from
 * @param {number} to
 * @param {number} buckets
 * @returns {Promise<import("./lanes.js").Answer>}
 */
export const timelineOf = (from, to, buckets) =>
  fetchJson(`${PATH}timeline/?from_ms=${from}&to_ms=${to}&buckets=${buckets}`);

/** Return the state that the rows give. Retries until they can be fetched. @returns {Promise<State>} */
export async function snapshot() {
  try {
    const [execution, rows, flows] = await Promise.all([
      fetchJson(PATH),
      fetchJson(`${PATH}nodes/?last=${RUNS}`),
      fetchJson(`${PATH}flows/`),
    ]);
    return fromRows(execution, rows, flows);
  } catch {
    await new Promise((resolve) => setTimeout(resolve, RETRY_DELAY));
    return snapshot();
  }
}

/** @param {any} execution @param {any[]} rows @param {{through: number, edges: any[]}} flows */
function fromRows(execution, rows, flows) {
  const state = Object.assign(emptyState(), {
    partial: true,
    flowsThrough: flows.through,
    sequence: execution.events,
    status: execution.status,
    error: execution.error,
    startedAt: execution.started_at,
    endedAt: execution.ended_at,
    attributes: execution.attributes,
    cachedFrom: execution.cached_from,
    withdrawn: execution.cancelled_deliveries,
  });
  for (const row of rows) addRun(state, row);
  if (ENDED.has(execution.status) && execution.started_at) {
    state.summary = { duration_ms: Date.parse(execution.ended_at) - Date.parse(execution.started_at) };
  }
  const completed = [...state.nodes.values()].filter((run) => run.endedAt).length;
  state.progress = { completed, total: execution.nodes_total ?? data.graph.nodes.length };
  for (const { items, reused, ...edge } of flows.edges) state.edges.set(edgeKey(edge), { edge, items, reused });
  if (!flows.through) guessFlows(state);
  return state;
}

/** The events were removed: an edge whose ends both ran has carried an unknown number of items. @param {State} state */
function guessFlows(state) {
  for (const edge of data.graph.layout.edges) {
    const [source, target] = [state.nodes.get(edge.source), state.nodes.get(edge.target)];
    if (source?.status === "completed" && target && target.status !== "skipped") {
      state.edges.set(edgeKey(edge), { edge, items: null, reused: false });
    }
  }
}
