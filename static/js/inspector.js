/** One node run: its facts, and tabs with its error, input, output, parameters, log lines and attempts. */
import { attemptsView, LogLines, nextAttemptAt } from "./attempts_view.js";
import { DataView } from "./data_view.js";
import { digestView, exchangesView } from "./exchange_view.js";
import { failureView } from "./failure_view.js";
import { elapsed } from "./fold.js";
import { momentElement } from "./moments.js";
import { deliveriesView, sourcesView } from "./node_run_links.js";
import { data, duration, element, fetchJson, icon, RequestError, size } from "./page.js";
import { tabsView } from "./tabs.js";
import { timeElement } from "./times.js";
import { gettext, ngettext, number, textWith } from "./translations.js";
import { statusText } from "./words.js";

/** @import { GraphNode, NodeRunAnswer, Run, State } from "./types.js" */
/** @import { Tab } from "./tabs.js" */
/** @typedef {[State, string, number, number]} Shown the arguments of `show` */

const MAX_BYTES = 1_000_000; // of the items that are fetched at once
const STARTS_EXECUTIONS = "execute_workflow";

export class Inspector {
  #shown = "";
  /** @type {string | null} the node whose items are being fetched */
  #fetching = null;
  /** @type {Shown | null} what to show afterwards */
  #next = null;
  #content = element("div", { class: "node-run" });
  #note = element("div");
  #tab = "";
  /** whether the tab was chosen by the user, and stays when another run is shown */
  #isChosen = false;
  #childrenPlace = element("div");
  /** @type {import("./children.js").ChildrenView | null} loaded for the first node that starts executions */
  #children = null;

  /**
   * @param {HTMLElement} root
   * @param {string} execution
   * @param {GraphNode[]} nodes
   * @param {(node: string, runIndex: number) => void} onChoose called for another run
   * @param {(step: number) => void} onStep called for the run before (-1) or after (1) the chosen one, which may not be
   *   drawn yet
   */
  constructor(root, execution, nodes, onChoose, onStep) {
    this.root = root;
    this.execution = execution;
    this.onChoose = onChoose;
    this.onStep = onStep;
    this.nodes = new Map(nodes.map((node) => [node.id, node]));
  }

  /**
   * Show a node run from the state, and its items from the server.
   * @param {State} state
   * @param {string} nodeId
   * @param {number} runIndex
   * @param {number} now
   * @returns {Promise<void>}
   */
  async show(state, nodeId, runIndex, now) {
    const run = state.runs.get(`${nodeId}#${runIndex}`);
    if (run?.type === STARTS_EXECUTIONS) {
      const version = [run.status, run.attempt, run.progress?.completed, state.endedAt].join("#");
      this.#showChildren(nodeId, runIndex, version);
    }
    const latest = state.nodes.get(nodeId)?.runIndex;
    const key = [nodeId, runIndex, run?.status, run?.attempt, latest, state.endedAt].join("#");
    if (key === this.#shown) return;
    if (this.#fetching === nodeId) {
      this.#next = [state, nodeId, runIndex, now]; // one request at a time, however fast a loop runs
      return;
    }
    this.#next = null;
    const same = this.#shown.startsWith(`${nodeId}#${runIndex}#`);
    this.#shown = key;
    if (!same) this.#content.replaceChildren();
    this.#draw(state, nodeId, run, now);
    if (!run) return;
    this.#fetching = nodeId;
    try {
      await this.#fetch(run, key);
    } catch (error) { // no connection, no JSON, or refused
      if (key === this.#shown) {
        const text = error instanceof RequestError ? error.message : gettext("Couldn't load the items.");
        this.#content.replaceChildren(element("p", { class: "empty" }, text));
      }
    }
    if (this.#fetching !== nodeId) return; // another node was chosen meanwhile
    const next = this.#takeNext();
    if (next) await this.show(...next);
  }

  /** @param {string} node @param {number} runIndex @param {string} version */
  async #showChildren(node, runIndex, version) {
    const { ChildrenView } = await import("./children.js");
    if (!this.#children) this.#childrenPlace.append((this.#children = new ChildrenView(this.execution)).root);
    this.#children.show(node, runIndex, version);
  }

  /** Another view has the place. */
  leave() {
    this.#shown = "";
    this.#next = null;
  }

  #takeNext() {
    const next = this.#next;
    this.#fetching = this.#next = null;
    return next;
  }

  /** @param {State} state @param {string} nodeId @param {Run | undefined} run @param {number} now */
  #draw(state, nodeId, run, now) {
    const none = state.endedAt ? gettext("This node did not run.") : gettext("This node has not run yet.");
    const parts = run
      ? [
        ...this.#origin(run),
        this.#facts(run, now),
        ...this.#cost(run),
        ...this.#started(run),
        this.#note,
        this.#content,
      ]
      : [element("p", { class: "empty" }, none)];
    this.root.replaceChildren(this.#head(state, nodeId, run), element("div", { class: "inspected" }, ...parts));
  }

  /** @param {State} state @param {string} nodeId @param {Run | undefined} run */
  #head(state, nodeId, run) {
    const { name, icon: picture } = this.nodes.get(nodeId) ?? { name: nodeId, icon: "dot" };
    const tile = element("span", { class: "tile" }, icon(picture, 18));
    const head = element("div", { class: "card-head" }, tile, element("h2", { title: name }, name));
    const last = state.nodes.get(nodeId)?.runIndex ?? 0;
    if (run && last > 0) {
      /** @param {number} step @param {string} picture @param {string} label */
      const button = (step, picture, label) => {
        const attributes = { type: "button", class: "icon-button small", "aria-label": label, title: label };
        const created = element("button", attributes, icon(picture, 14));
        created.disabled = run.runIndex + step < 0 || run.runIndex + step > last;
        created.addEventListener("click", () => this.onStep(step));
        return created;
      };
      const count = gettext("run {run} of {count}", { run: run.runIndex + 1, count: last + 1 });
      const previous = button(-1, "left", gettext("Previous run"));
      const next = button(1, "right", gettext("Next run"));
      head.append(element("span", { class: "turn" }, previous, element("small", {}, count), next));
    }
    if (run) head.append(element("span", { class: "status", "data-status": run.status }, statusText(run.status)));
    return head;
  }

  /** Return a note about the execution whose output a run reuses. @param {Run} run */
  #origin(run) {
    if (!run.reusedFrom) return [];
    const { rerun_of: id } = data;
    const execution = id
      ? element("a", { href: `/executions/${id}/` }, gettext("execution {id}", { id }))
      : gettext("an execution that was deleted");
    const text = element("span", {}, ...textWith(gettext("Output reused from {execution}."), { execution }));
    return [element("p", { class: "notice reused-note" }, icon("copy", 14), text)];
  }

  /** @param {Run} run */
  #started(run) {
    return run.type === STARTS_EXECUTIONS && !run.reusedFrom ? [this.#childrenPlace] : [];
  }

  /** Say what a run waits for, and until when. @param {Run} run @param {NodeRunAnswer | null} answer */
  #drawNote(run, answer) {
    const { waitsFor } = run;
    const next = nextAttemptAt(run, answer);
    const until = next ?? waitsFor?.until;
    if (!next && run.status !== "waiting") return this.#note.replaceChildren();
    const said = waitsFor?.reason.replace(/ until \S+\.$/, "") ?? "Waiting";
    const reason = said === "Waiting" ? gettext("Waiting") : said;
    const parts = until
      ? textWith(
        next ? gettext("Attempt {attempt} begins {moment}, {time}") : gettext("{reason} until {moment}, {time}"),
        {
          attempt: String(run.attempt),
          reason,
          moment: element("b", {}, momentElement(until, "second")),
          time: timeElement(until),
        },
      )
      : [reason];
    const text = element("span", {}, ...parts);
    this.#note.replaceChildren(element("p", { class: "notice", "data-status": "waiting" }, text));
  }

  /** Say where the time of an ended run went, if it waited or called other systems. @param {Run} run */
  #cost(run) {
    if (!run.endedAt || !run.cost || run.reusedFrom) return [];
    const place = element("div");
    import("./cost_view.js").then(({ costView }) => place.append(costView(run))); // not needed to show the page
    return [place];
  }

  /** @param {Run} run @param {number} now */
  #facts(run, now) {
    const { status } = run;
    /** @type {[string, string | Node][]} */
    const facts = [[gettext("Type"), this.nodes.get(run.node)?.label ?? run.type]];
    if (status !== "skipped") facts.push([gettext("Attempt"), String(run.attempt)]);
    if (run.endedAt && status !== "skipped" && !run.reusedFrom) {
      facts.push([gettext("Duration"), duration(elapsed(run, now))]);
    }
    if (run.cpuMs != null) facts.push(["CPU", duration(run.cpuMs)]);
    if (run.memoryBytes != null) facts.push([gettext("Memory"), size(run.memoryBytes)]);
    if (run.outputBytes != null) facts.push([gettext("Output"), size(run.outputBytes)]);
    if (run.failedItems) facts.push([gettext("Failed items"), number(run.failedItems)]);
    if (run.reusedFrom && run.durationMs != null) facts.push([gettext("Original duration"), duration(run.durationMs)]);
    if (run.fromCache) facts.push([gettext("Source"), gettext("cache")]);
    const rows = facts.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value)));
    return element("dl", { class: "facts" }, ...rows);
  }

  /** @param {Run} run @param {string} key */
  async #fetch(run, key) {
    this.#drawNote(run, null);
    const path = `/api/executions/${this.execution}/nodes/${encodeURIComponent(run.node)}/`;
    const answer = await fetchJson(`${path}output/?run_index=${run.runIndex}&relations=true&max_bytes=${MAX_BYTES}`);
    if (key !== this.#shown) return;
    this.#drawNote(run, answer);
    const logs = new LogLines(path, run.runIndex);
    const tabs = this.#tabs(run, answer, path, logs);
    const first = run.status === "failed" ? "error" : "output";
    const chosen = this.#isChosen && tabs.some((tab) => tab.id === this.#tab) ? this.#tab : first;
    let drawn = false;
    this.#content.replaceChildren(...tabsView(gettext("Node run"), tabs, chosen, (id) => {
      this.#tab = id;
      this.#isChosen ||= drawn;
      if (id === "logs") logs.show();
    }));
    drawn = true;
  }

  /**
   * @param {Run} run
   * @param {NodeRunAnswer} answer
   * @param {string} path
   * @param {LogLines} logs
   * @returns {Tab[]}
   */
  #tabs(run, answer, path, logs) {
    // A replay shows the output of a run when the run has ended.
    const [outputs, totals] = run.endedAt ? [answer.outputs, answer.totals.outputs] : [{}, {}];
    const lineage = element("div");
    import("./lineage.js").then(({ lineageView }) => { // not needed to show the page
      lineage.append(...lineageView(`${path}output/`, run.runIndex, totals, this.nodes, this.onChoose));
    });
    const made = deliveriesView(this.execution, run, answer.deliveries);
    const digest = run.endedAt ? digestView(gettext("Output digest"), answer.digest) : [];
    const sources = sourcesView(answer.sources, this.nodes, this.onChoose);
    const output = this.#side(run, path, "outputs", outputs, totals, [...made, lineage, ...digest]);
    const input = this.#side(run, path, "inputs", answer.inputs, answer.totals.inputs, sources);
    const tabs = [
      { id: "input", label: gettext("Input"), panel: input },
      { id: "output", label: gettext("Output"), panel: output },
      { id: "parameters", label: gettext("Parameters"), panel: parametersView(answer) },
      { id: "logs", label: gettext("Logs"), panel: logs.root },
      {
        id: "attempts",
        label: gettext("Attempts"),
        panel: attemptsView(run, answer),
        count: answer.attempts.length ? answer.attempt : 0,
      },
    ].map((tab) => ({ ...tab, panel: element("div", { class: "tab-panel" }, tab.panel) }));
    if (run.status !== "failed") return tabs;
    const panel = element("div", { class: "tab-panel" }, failureView(answer, path));
    return [{ id: "error", label: gettext("Error"), panel }, ...tabs];
  }

  /**
   * @param {Run} run
   * @param {string} path
   * @param {"inputs" | "outputs"} kind
   * @param {Record<string, unknown[]>} lists
   * @param {Record<string, number>} totals
   * @param {HTMLElement[]} further what follows the items
   */
  #side(run, path, kind, lists, totals, further) {
    const [title, name] = kind === "inputs"
      ? [gettext("Input"), gettext("input")]
      : [gettext("Output"), gettext("output")];
    const all = Object.values(totals).reduce((sum, total) => sum + total, 0);
    const filled = Object.entries(lists).filter(([, items]) => items.length);
    const parts = filled.map(([port, items]) => {
      const total = totals[port];
      const part = element("div", { class: "items" });
      if (port !== "main") part.append(element("small", { class: "port" }, `${port} · ${itemCount(total)}`));
      /** @param {number} offset @param {number} limit */
      const load = async (offset, limit) => {
        const page = await fetchJson(
          `${path}output/?run_index=${run.runIndex}&offset=${offset}&limit=${limit}&max_bytes=${MAX_BYTES}`,
        );
        return page[kind][port] ?? [];
      };
      const label = filled.length > 1 ? `${name} ${port}` : name;
      const files = element("div");
      import("./files.js").then(({ filesView }) => files.append(...filesView(this.execution, items)));
      part.append(files, new DataView(items, { label, total, load }).root);
      return part;
    });
    const head = element("h3", {}, title, element("small", {}, itemCount(all)));
    const content = parts.length ? parts : [element("p", { class: "muted" }, gettext("No items"))];
    return element("section", { class: "side", "aria-label": title }, head, ...content, ...further);
  }
}

/** @param {number} count */
const itemCount = (count) => ngettext("{count} item", "{count} items", count);

/** @param {NodeRunAnswer} answer */
function parametersView(answer) {
  const { parameters, parameters_item: item, parameters_truncated: truncated } = answer;
  const about = item === null ? gettext("without expressions") : gettext("evaluated for item {item}", { item });
  const head = element("h3", {}, gettext("Parameters"), element("small", {}, parameters ? about : ""));
  /** @type {HTMLElement[]} */
  const parts = [head];
  if (!parameters) parts.push(element("p", { class: "muted" }, gettext("The expressions have not been evaluated.")));
  else if (!Object.keys(parameters).length) {
    parts.push(element("p", { class: "muted" }, gettext("This node has no parameters.")));
  } else parts.push(new DataView(parameters, { label: gettext("parameters") }).root);
  if (truncated) parts.push(element("small", { class: "rest" }, gettext("Long values are cut.")));
  parts.push(...exchangesView(answer.exchange, answer.request_digest));
  return element("section", { class: "side", "aria-label": gettext("Parameters") }, ...parts);
}
