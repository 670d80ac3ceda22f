/**
 * How far an execution is, and how long it will go on. Both come from what is known: earlier executions of the workflow,
 * the items that a loop still has, and the items that a node has done. What is not known is null. Pure.
 */
import { elapsed } from "./fold.js";

/** @import { Expected, Graph, GraphNode, State } from "./types.js" */
/** @typedef {{name: string, done: number, total: number, since: number}} Part a loop, or a node that counts its items */
/** @typedef {{share: number | null, leftMs: number | null, late: boolean, part: Part | null}} Estimate
 *  share: from 0 to 1; late: it takes longer than 95 of 100 did */

const RELIABLE = 0.02; // of a loop or a node's items, before its pace says something
const MAX_SHARE = 0.99;
/** @type {WeakMap<Graph, Groups>} */
const known = new WeakMap();

/** @param {State} state @param {Graph} graph @param {Expected} expected @param {number} now @returns {Estimate} */
export function estimate(state, graph, expected, now) {
  const begun = state.startedAt ? Date.parse(state.startedAt) : now;
  const took = Math.max(0, now - begun);
  const parts = partsOf(state, graph);
  const part = parts.reduce(
    (/** @type {Part | null} */ most, each) => (most && most.total >= each.total ? most : each),
    null,
  );
  const leftMs = state.status === "running" ? remaining(state, graph, expected, now, parts) : null;
  const usual = expected.duration_ms;
  const late = usual !== null && took > usual.p95 && leftMs === null;
  if (leftMs !== null) return { share: Math.min(MAX_SHARE, took / Math.max(1, took + leftMs)), leftMs, late, part };
  return { share: part ? Math.min(MAX_SHARE, part.done / part.total) : null, leftMs: null, late, part };
}

/** Return what counts its items: open loops, by the items that came and went, and nodes at work. @param {State} state
 *  @param {Graph} graph @returns {(Part & {node: GraphNode})[]} */
function partsOf(state, graph) {
  const nodes = new Map(graph.nodes.map((node) => [node.id, node]));
  const found = [];
  for (const node of graph.nodes) {
    const run = state.nodes.get(node.id);
    if (!run || (run.endedAt && node.type !== "loop")) continue;
    const { progress } = run;
    if (progress && run.status === "running") {
      const done = progress.completed + progress.failed;
      found.push({ node, name: node.name, done, total: progress.total, since: Date.parse(run.startedAt) });
    }
    if (node.type !== "loop" || node.cycle === null) continue;
    let [came, went, isDone] = [0, 0, false];
    for (const { edge, items } of state.edges.values()) {
      if (edge.target === node.id && nodes.get(edge.source)?.cycle !== node.cycle) came += items ?? NaN;
      if (edge.source === node.id && edge.source_output === "loop") went = Math.max(went, items ?? NaN);
      if (edge.source === node.id && edge.source_output === "done") isDone = true;
    }
    const first = state.runs.get(`${node.id}#0`) ?? state.lanes.get(node.id)?.[0];
    const since = Date.parse(first?.startedAt ?? run.startedAt);
    if (came > 0 && went < came && !isDone) found.push({ node, name: node.name, done: went, total: came, since });
  }
  return found;
}

/**
 * Return the time that is left on the longest path through what has not ended, in ms; null if a part of it is unknown.
 * @param {State} state
 * @param {Graph} graph
 * @param {Expected} expected
 * @param {number} now
 * @param {(Part & {node: GraphNode})[]} parts
 */
function remaining(state, graph, expected, now, parts) {
  const groups = known.get(graph) ?? new Groups(graph);
  known.set(graph, groups);
  /** @type {Map<string, number>} */
  const left = new Map();
  for (const [group, nodes] of groups.members) {
    const own = parts.filter((part) => nodes.includes(part.node));
    left.set(group, groupLeft(nodes, own, state, expected, now));
  }
  const whole = groups.longest((group) => usualOf(groups.members.get(group) ?? [], expected));
  const overhead = expected.duration_ms && whole > 0 ? Math.max(1, expected.duration_ms.p50 / whole) : 1;
  const total = groups.longest((group) => left.get(group) ?? 0) * overhead;
  return Number.isNaN(total) ? null : total;
}

/** Return how long the nodes of a group usually take, one after the other. @param {GraphNode[]} nodes @param {Expected} expected */
const usualOf = (nodes, expected) =>
  nodes.reduce((sum, { id }) => {
    const usual = expected.nodes[id];
    return sum + (usual ? usual.duration_ms.p50 * usual.runs : 0);
  }, 0);

/**
 * Return how long a node, or the nodes of a cycle, still take; NaN if that is unknown.
 * @param {GraphNode[]} nodes
 * @param {Part[]} parts of them that count their items
 * @param {State} state
 * @param {Expected} expected
 * @param {number} now
 */
function groupLeft(nodes, parts, state, expected, now) {
  const [part] = parts;
  if (part && part.done / part.total >= RELIABLE) return ((now - part.since) / part.done) * (part.total - part.done);
  const runs = nodes.map(({ id }) => state.nodes.get(id)).filter((run) => run !== undefined);
  if (runs.length && runs.every((run) => run.endedAt)) return 0;
  if (!expected.executions) return NaN;
  if (nodes.length > 1) return part ? NaN : usualOf(nodes, expected); // a cycle that has begun has its own pace
  const usual = expected.nodes[nodes[0].id];
  const [run] = runs;
  if (!run) return usual ? usual.duration_ms.p50 * usual.runs : 0; // usually skipped
  if (!usual) return NaN;
  const { p50, p95 } = usual.duration_ms;
  const took = elapsed(run, now);
  const end = took < p50 ? p50 : p95;
  return end > took ? end - took : NaN; // longer than it usually takes
}

/** The graph without cycles: each cycle is one group, each other node too. */
class Groups {
  /** @type {Map<string, GraphNode[]>} */
  members = new Map();
  /** @type {Map<string, Set<string>>} */
  #next = new Map();
  /** @type {string[]} every group after those that it leads to */
  #order = [];

  /** @param {Graph} graph */
  constructor(graph) {
    /** @type {Map<string, string>} */
    const of = new Map();
    for (const node of graph.nodes) {
      const group = node.cycle === null ? `node ${node.id}` : `cycle ${node.cycle}`;
      of.set(node.id, group);
      this.members.set(group, [...(this.members.get(group) ?? []), node]);
    }
    for (const { source, target } of graph.layout.edges) {
      const [from, to] = [of.get(source) ?? "", of.get(target) ?? ""];
      if (from !== to) this.#next.set(from, (this.#next.get(from) ?? new Set()).add(to));
    }
    this.#sort();
  }

  #sort() {
    const [seen, stack] = [new Set(), [...this.members.keys()].map((group) => ({ group, left: false }))];
    while (stack.length) {
      const { group, left } = /** @type {{group: string, left: boolean}} */ (stack.pop());
      if (left) this.#order.push(group);
      else if (!seen.has(group)) {
        seen.add(group);
        stack.push({ group, left: true });
        for (const next of this.#next.get(group) ?? []) stack.push({ group: next, left: false });
      }
    }
  }

  /** Return the longest sum along a path; NaN if a group on any path is unknown. @param {(group: string) => number} length */
  longest(length) {
    /** @type {Map<string, number>} */
    const found = new Map();
    let most = 0;
    for (const group of this.#order) {
      const behind = [...(this.#next.get(group) ?? [])].map((next) => found.get(next) ?? 0);
      found.set(group, length(group) + Math.max(0, ...behind));
      most = Math.max(most, found.get(group) ?? 0); // Math.max keeps NaN
    }
    return most;
  }
}
