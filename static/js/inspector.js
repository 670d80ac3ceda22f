/** The input, the output and the facts of one node run. */
import { filesView } from "./files.js";
import { elapsed } from "./fold.js";
import { itemsView } from "./json_view.js";
import { lineageView } from "./lineage.js";
import { momentElement } from "./moments.js";
import { counted, data, duration, element, icon, number, request, size } from "./page.js";
import { copyAndTell } from "./toast.js";

/** @import { GraphNode, Run, State } from "./types.js" */
/** @typedef {[State, string, number, number]} Shown the arguments of `show` */

export class Inspector {
  #shown = "";
  /** @type {string | null} the node whose items are being fetched */
  #fetching = null;
  /** @type {Shown | null} what to show afterwards */
  #next = null;
  #sides = element("div", { class: "sides" });

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
    if (!same) this.#sides.replaceChildren();
    this.#draw(state, nodeId, run, now);
    if (!run) return;
    this.#fetching = nodeId;
    try {
      await this.#fetch(nodeId, runIndex, key, Boolean(run.endedAt));
    } catch { // no connection, or no JSON
      if (key === this.#shown) {
        this.#sides.replaceChildren(element("p", { class: "empty" }, "Couldn't load the items."));
      }
    }
    if (this.#fetching !== nodeId) return; // another node was chosen meanwhile
    const next = this.#takeNext();
    if (next) await this.show(...next);
  }

  #takeNext() {
    const next = this.#next;
    this.#fetching = this.#next = null;
    return next;
  }

  /** @param {State} state @param {string} nodeId @param {Run | undefined} run @param {number} now */
  #draw(state, nodeId, run, now) {
    const parts = run
      ? [...this.#origin(run), ...this.#problems(run), this.#facts(run, now), this.#sides]
      : [element("p", { class: "empty" }, state.endedAt ? "This node did not run." : "This node has not run yet.")];
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
      const count = element("small", {}, `run ${run.runIndex + 1} of ${last + 1}`);
      const [previous, next] = [button(-1, "left", "Previous run"), button(1, "right", "Next run")];
      head.append(element("span", { class: "turn" }, previous, count, next));
    }
    if (run) head.append(element("span", { class: "status", "data-status": run.status }, run.status));
    return head;
  }

  /** Return a note about the execution whose output a run reuses. @param {Run} run */
  #origin(run) {
    if (!run.reusedFrom) return [];
    const source = data.rerun_of
      ? element("a", { href: `/executions/${data.rerun_of}/` }, `execution ${data.rerun_of}`)
      : "an execution that was deleted";
    const text = element("span", {}, "Output reused from ", source, ".");
    return [element("p", { class: "notice reused-note" }, icon("copy", 14), text)];
  }

  /** @param {Run} run */
  #problems(run) {
    const parts = [];
    if (run.error && run.status === "failed") {
      const attempt = run.attempt > 1 ? ` · attempt ${run.attempt}` : "";
      parts.push(element(
        "div",
        { class: "notice failure", "data-status": "failed", role: "alert" },
        element("b", {}, `${run.error.type ?? "Error"}${attempt}`),
        element("pre", {}, run.error.message),
      ));
    }
    const retries = run.retries.map((retry) =>
      element("li", {}, element("b", {}, `Attempt ${retry.attempt}`), ` ${retry.error.message}`)
    );
    if (retries.length) {
      parts.push(element(
        "details",
        { class: "attempts notice", "data-status": "waiting" },
        element("summary", {}, `${counted(retries.length, "earlier attempt")} failed`),
        element("ol", {}, ...retries),
      ));
    }
    return parts;
  }

  /** @param {Run} run @param {number} now */
  #facts(run, now) {
    const { status, waitsFor, child } = run;
    /** @type {[string, string | Node][]} */
    const facts = [["Type", this.nodes.get(run.node)?.label ?? run.type]];
    if (status !== "skipped") facts.push(["Attempt", String(run.attempt)]);
    if (run.endedAt && status !== "skipped" && !run.reusedFrom) facts.push(["Duration", duration(elapsed(run, now))]);
    if (run.cpuMs != null) facts.push(["CPU", duration(run.cpuMs)]);
    if (run.memoryBytes != null) facts.push(["Memory", `+${size(run.memoryBytes)}`]);
    if (run.outputBytes != null) facts.push(["Output", size(run.outputBytes)]);
    if (run.failedItems) facts.push(["Failed items", number(run.failedItems)]);
    if (run.reusedFrom && run.durationMs != null) facts.push(["Original duration", duration(run.durationMs)]);
    if (run.fromCache) facts.push(["Source", "cache"]);
    if (status === "waiting" && waitsFor) facts.push(["Waiting for", waitsFor.reason]);
    if (status === "waiting" && waitsFor?.until) facts.push(["Until", momentElement(waitsFor.until, "second")]);
    if (child) facts.push(["Child", element("a", { class: "link", href: `/executions/${child}/` }, "Open execution")]);
    const rows = facts.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value)));
    return element("dl", { class: "facts" }, ...rows);
  }

  /**
   * @param {string} nodeId
   * @param {number} runIndex
   * @param {string} key
   * @param {boolean} ended a replay shows the output of a run when the run has ended
   */
  async #fetch(nodeId, runIndex, key, ended) {
    const path = `/api/executions/${this.execution}/nodes/${encodeURIComponent(nodeId)}/output/`;
    const response = await request(`${path}?run_index=${runIndex}`);
    const items = await response.json();
    if (key !== this.#shown) return;
    if (!response.ok) return this.#sides.replaceChildren(element("p", { class: "empty" }, items.detail));
    const [outputs, totals] = ended ? [items.outputs, items.totals.outputs] : [{}, {}];
    this.#sides.replaceChildren(
      this.#side("Input", items.inputs, items.totals.inputs),
      this.#side("Output", outputs, totals, lineageView(path, runIndex, totals, this.nodes, this.onChoose)),
    );
  }

  /**
   * @param {string} title
   * @param {Record<string, unknown[]>} lists
   * @param {Record<string, number>} totals
   * @param {HTMLElement[]} further what follows the items
   */
  #side(title, lists, totals, further = []) {
    const all = Object.values(totals).reduce((sum, total) => sum + total, 0);
    const head = element("h3", {}, title, element("small", {}, counted(all, "item")));
    if (all) {
      const label = `Copy ${title.toLowerCase()} as JSON`;
      const attributes = { type: "button", class: "icon-button small", "aria-label": label, title: "Copy as JSON" };
      const copy = element("button", attributes, icon("copy", 14));
      const value = Object.keys(lists).length === 1 ? Object.values(lists)[0] : lists;
      copy.addEventListener("click", () => copyAndTell(JSON.stringify(value, null, 2)));
      head.append(copy);
    }
    const parts = Object.entries(lists).filter(([, items]) => items.length).map(([name, items]) => {
      const total = totals[name];
      const part = element("div", { class: "items" });
      if (name !== "main") part.append(element("small", { class: "port" }, `${name} · ${counted(total, "item")}`));
      part.append(...filesView(this.execution, items), itemsView(items));
      if (total > items.length) {
        part.append(element("small", { class: "rest" }, `First ${items.length} of ${counted(total, "item")}`));
      }
      return part;
    });
    const content = parts.length ? parts : [element("p", { class: "muted" }, "No items")];
    return element("section", { class: "side", "aria-label": title }, head, ...content, ...further);
  }
}
