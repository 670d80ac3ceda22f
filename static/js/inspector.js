/** What a node run took in and gave out, how long it took, and why it failed. */
import { took } from "./fold.js";
import { itemsView } from "./json_view.js";
import { counted, data, duration, element, icon, size } from "./page.js";
import { toast } from "./toast.js";

export class Inspector {
  /** @param {HTMLElement} root @param {string} execution @param {any[]} nodes of the graph
   *  @param {(node: string, runIndex: number) => void} onChoose for another run of the same node */
  constructor(root, execution, nodes, onChoose) {
    Object.assign(this, { root, execution, onChoose });
    this.nodes = new Map(nodes.map((node) => [node.id, node]));
    this.shown = "";
    /** @type {?string} the node whose items are on their way @type {?any[]} what to show after that */
    this.busy = this.next = null;
    this.sides = element("div", { class: "sides" });
  }

  /** Show a node run as the state has it, and its items as the server has them.
   *  @param {string} nodeId @param {number} runIndex @param {number} now */
  async show(state, nodeId, runIndex, now) {
    const run = state.runs.get(`${nodeId}#${runIndex}`);
    const key = [nodeId, runIndex, run?.status, run?.attempt, state.nodes.get(nodeId)?.runIndex, state.endedAt].join("#");
    if (key === this.shown) return;
    if (this.busy === nodeId) {
      this.next = [state, nodeId, runIndex, now]; // one request at a time, however fast a loop turns
      return;
    }
    this.next = null;
    const same = this.shown.startsWith(`${nodeId}#${runIndex}#`);
    this.shown = key;
    if (!same) this.sides.replaceChildren();
    const why = run ? null : state.endedAt ? "It did not run." : "It has not run yet.";
    this.root.replaceChildren(this.head(state, nodeId, run), element("div", { class: "inspected" },
      ...(run ? [...this.origin(run), ...this.problems(run), this.facts(run, now)] : []), why ? element("p", { class: "empty" }, why) : this.sides));
    if (!run) return;
    this.busy = nodeId;
    try {
      await this.fill(nodeId, runIndex, key, Boolean(run.endedAt));
    } catch { // no connection, or no JSON
      if (key === this.shown) this.sides.replaceChildren(element("p", { class: "empty" }, "Its items could not be fetched."));
    }
    if (this.busy !== nodeId) return; // another node has been chosen meanwhile
    const { next } = this;
    this.busy = this.next = null;
    if (next) await this.show(...next);
  }

  head(state, nodeId, run) {
    const node = this.nodes.get(nodeId) ?? { name: nodeId, icon: "dot" };
    const head = element("div", { class: "card-head" }, element("span", { class: "tile" }, icon(node.icon, 18)), element("h2", { title: node.name }, node.name));
    const last = state.nodes.get(nodeId)?.runIndex ?? 0;
    if (run && last > 0) {
      const step = (by, name, label) => {
        const made = element("button", { type: "button", class: "icon-button small", "aria-label": label, title: label }, icon(name, 14));
        made.disabled = run.runIndex + by < 0 || run.runIndex + by > last;
        made.addEventListener("click", () => this.onChoose(nodeId, run.runIndex + by));
        return made;
      };
      head.append(element("span", { class: "turn" }, step(-1, "left", "The run before"), element("small", {}, `run ${run.runIndex + 1} of ${last + 1}`), step(1, "right", "The run after")));
    }
    if (run) head.append(element("span", { class: "status", "data-status": run.status }, run.status));
    return head;
  }

  /** Say where a run that was taken over comes from. */
  origin(run) {
    if (!run.takenFrom) return [];
    const link = element("a", { href: `/executions/${data.rerun_of}/` }, `execution ${data.rerun_of}`);
    return [element("p", { class: "notice taken-note" }, icon("copy", 14), element("span", {}, "Taken over from ", data.rerun_of ? link : "an execution that was deleted", "."))];
  }

  problems(run) {
    const told = run.retries.map((retry) => element("li", {}, element("b", {}, `Attempt ${retry.attempt}`), ` ${retry.error.message}`));
    const parts = [];
    if (told.length) {
      const attempts = told.length === 1 ? "An earlier attempt" : `${told.length} earlier attempts`;
      parts.push(element("details", { class: "attempts notice", "data-status": "waiting" }, element("summary", {}, `${attempts} failed`), element("ol", {}, ...told)));
    }
    if (run.error && run.status === "failed") {
      const last = run.attempt > 1 ? ` · attempt ${run.attempt}` : "";
      parts.unshift(element("div", { class: "notice failure", "data-status": "failed", role: "alert" }, element("b", {}, `${run.error.type ?? "Error"}${last}`), element("pre", {}, run.error.message)));
    }
    return parts;
  }

  facts(run, now) {
    const facts = [["Type", this.nodes.get(run.node)?.label ?? run.type]];
    if (run.status !== "skipped") facts.push(["Attempt", String(run.attempt)]);
    if (run.endedAt && run.status !== "skipped" && !run.takenFrom) facts.push(["Duration", duration(took(run, now))]);
    if (run.cpuMs != null) facts.push(["CPU", duration(run.cpuMs)]);
    if (run.memoryBytes != null) facts.push(["Memory", `+${size(run.memoryBytes)}`]);
    if (run.outputBytes != null) facts.push(["Output", size(run.outputBytes)]);
    if (run.takenFrom && run.durationMs != null) facts.push(["Took then", duration(run.durationMs)]);
    if (run.fromCache) facts.push(["From", "cache"]);
    if (run.status === "waiting") facts.push(["Waits", run.waitsFor.reason]);
    if (run.status === "waiting" && run.waitsFor.until) facts.push(["Until", new Date(run.waitsFor.until).toLocaleString()]);
    if (run.child) facts.push(["Child", element("a", { class: "link", href: `/executions/${run.child}/` }, "open its execution")]);
    return element("dl", { class: "facts" }, ...facts.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value))));
  }

  /** @param {boolean} over in a replay, what a run gave has not been given before its end */
  async fill(nodeId, runIndex, key, over) {
    const answer = await fetch(`/api/executions/${this.execution}/nodes/${encodeURIComponent(nodeId)}/output/?run_index=${runIndex}`);
    const said = await answer.json();
    if (key !== this.shown) return;
    if (!answer.ok) return this.sides.replaceChildren(element("p", { class: "empty" }, said.detail));
    const [outputs, totals] = over ? [said.outputs, said.totals.outputs] : [{}, {}];
    this.sides.replaceChildren(this.side("Input", said.inputs, said.totals.inputs), this.side("Output", outputs, totals));
  }

  /** @param {string} title @param {Record<string, any[]>} lists @param {Record<string, number>} totals */
  side(title, lists, totals) {
    const all = Object.values(totals).reduce((sum, total) => sum + total, 0);
    const head = element("h3", {}, title, element("small", {}, counted(all)));
    if (all) {
      const copy = element("button", { type: "button", class: "icon-button small", "aria-label": `Copy the ${title.toLowerCase()} as JSON`, title: "Copy as JSON" }, icon("copy", 14));
      copy.addEventListener("click", async () => {
        const only = Object.keys(lists).length === 1 ? Object.values(lists)[0] : lists;
        await navigator.clipboard.writeText(JSON.stringify(only, null, 2));
        toast("Copied.");
      });
      head.append(copy);
    }
    const parts = Object.entries(lists).filter(([, items]) => items.length).map(([name, items]) => {
      const total = totals[name];
      const part = element("div", { class: "items" });
      if (name !== "main") part.append(element("small", { class: "port" }, `${name} · ${counted(total)}`));
      part.append(itemsView(items));
      if (total > items.length) part.append(element("small", { class: "rest" }, `The first ${items.length} of ${counted(total)}.`));
      return part;
    });
    return element("section", { class: "side", "aria-label": title }, head, ...(parts.length ? parts : [element("p", { class: "muted" }, "No items.")]));
  }
}
