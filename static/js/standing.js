/**
 * How an execution stands by its rows, for one whose stream is too long to be folded from its first event on: its newest
 * node runs and the latest run of every node. Times of retries and what flowed over edges are known from events only.
 */
import { addRun, edgeKey, emptyState } from "./fold.js";
import { data } from "./page.js";

const RUNS = 300; // as many as the timeline shows
const AGAIN = 1000; // ms
const ENDED = new Set(["completed", "failed", "cancelled", "timed_out"]);
const path = `/api/executions/${data.execution}/`;

/** @param {string} url @returns {Promise<any>} */
export async function bring(url) {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`${url} answers ${answer.status}.`);
  return answer.json();
}

/** Return the events before a sequence: over the socket or, where that cannot be, over HTTP.
 *  @param {import("./subscription.js").Subscription} subscription @param {number} before @param {number} limit
 *  @returns {Promise<import("./event_stream.js").Page>} */
export async function earlier(subscription, before, limit) {
  try {
    return await subscription.loadEarlier({ before, limit });
  } catch {
    const after = Math.max(0, before - 1 - limit);
    const { events } = await bring(`${path}events/?after=${after}&limit=${before - 1 - after}`);
    return { events, complete: after === 0 };
  }
}

/** Return the events of these kinds, from the first one on. @param {Set<string>} kinds */
export async function ofKinds(kinds) {
  const types = [...kinds].map((kind) => `type=execution.${kind}`).join("&");
  return (await bring(`${path}events/?limit=1000&${types}`)).events;
}

/** Return the state that the rows tell, as soon as they can be had. @returns {Promise<ReturnType<typeof emptyState>>} */
export async function standing() {
  try {
    const [execution, rows] = await Promise.all([bring(path), bring(`${path}nodes/?last=${RUNS}`)]);
    return fromRows(execution, rows);
  } catch {
    await new Promise((done) => setTimeout(done, AGAIN));
    return standing();
  }
}

function fromRows(execution, rows) {
  const state = Object.assign(emptyState(), {
    partial: true, sequence: execution.events, status: execution.status, error: execution.error,
    startedAt: execution.started_at, endedAt: execution.ended_at, cachedFrom: execution.cached_from, takenBack: execution.cancelled_deliveries,
  });
  for (const row of rows) addRun(state, row);
  if (ENDED.has(execution.status) && execution.started_at)
    state.summary = { duration_ms: Date.parse(execution.ended_at) - Date.parse(execution.started_at) };
  const over = [...state.nodes.values()].filter((run) => run.endedAt).length;
  state.progress = { completed: over, total: execution.nodes_total ?? data.graph.nodes.length };
  for (const edge of data.graph.layout.edges) {
    const [source, target] = [state.nodes.get(edge.source), state.nodes.get(edge.target)];
    if (source?.status === "completed" && target && target.status !== "skipped") state.edges.set(edgeKey(edge), { edge, items: null, taken: false });
  }
  return state;
}
