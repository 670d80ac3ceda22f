/** The part of the rerun dialog that lists the nodes which would write or send again, with a choice for each. */
import { effectText } from "./effects.js";
import { byId, data, element, send } from "./page.js";
import { gettext, ngettext } from "./translations.js";

/**
 * @typedef {{node: string, name: string, effect: string, items: number, reusable: boolean}} ActingNode
 */

/** @type {[string, string][]} */
const CHOICES = [
  ["run", gettext("Run again")],
  ["reuse", gettext("Reuse its output")],
  ["skip", gettext("Skip it")],
];

/** Say what the nodes would do. @param {ActingNode[]} nodes */
function title(nodes) {
  const effects = new Set(nodes.map((node) => node.effect));
  const count = nodes.length;
  if (effects.size > 1) {
    return ngettext("{count} node would write or send again", "{count} nodes would write or send again", count);
  }
  return effects.has("sends")
    ? ngettext("{count} node would send again", "{count} nodes would send again", count)
    : ngettext("{count} node would write again", "{count} nodes would write again", count);
}

export class RerunEffects {
  #part = byId("rerun-effects");
  /** @type {Map<string, string>} what was chosen, by node; it outlasts a change of the start */
  #chosen = new Map();
  #asked = 0;

  /** Forget the choices. */
  reset() {
    this.#chosen.clear();
    this.#part.hidden = true;
  }

  /**
   * Ask which nodes would act again, and list them; none if the rerun is not possible, as its submission will say.
   * @param {{from: string, version: string, input?: object[]}} body of the rerun
   */
  async show(body) {
    const asked = ++this.#asked;
    /** @type {ActingNode[]} */
    let nodes = [];
    try {
      ({ nodes } = await send("POST", `/api/executions/${data.execution}/rerun/`, { ...body, dry_run: true }));
    } catch { /* not possible, or no connection */ }
    if (asked === this.#asked) this.#list(nodes);
  }

  /** @returns {Record<string, string>} the choices that are not the usual one, as the API takes them */
  get choices() {
    const selects = [...this.#part.querySelectorAll("select")];
    return Object.fromEntries(selects.map((select) => [select.name, select.value]).filter(([, to]) => to !== "run"));
  }

  /** @param {ActingNode[]} nodes */
  #list(nodes) {
    this.#part.hidden = !nodes.length;
    byId("rerun-effects-title").textContent = nodes.length ? title(nodes) : "";
    byId("rerun-effects-list").replaceChildren(...nodes.map((node) => this.#row(node)));
  }

  /** @param {ActingNode} node */
  #row(node) {
    const select = element("select", {
      name: node.node,
      "aria-label": gettext("What {node} does", { node: node.name }),
    });
    for (const [value, label] of CHOICES) {
      if (value !== "reuse" || node.reusable) select.append(new Option(label, value));
    }
    const chosen = this.#chosen.get(node.node);
    if (chosen && (chosen !== "reuse" || node.reusable)) select.value = chosen;
    select.addEventListener("input", () => this.#chosen.set(node.node, select.value));
    const effect = effectText(node.effect);
    const facts = ngettext("{effect}, {count} item before", "{effect}, {count} items before", node.items, { effect });
    return element("label", {}, element("span", {}, node.name, " ", element("small", {}, facts)), select);
  }
}
