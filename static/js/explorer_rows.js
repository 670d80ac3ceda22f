/** The rows of the page of events. */
import { colour, subject, summary } from "./event_text.js";
import { write } from "./exact_json.js";
import { jsonView } from "./json_view.js";
import { momentElement, momentText } from "./moments.js";
import { byId, element, fetchJson, icon } from "./page.js";
import { copyAndTell } from "./toast.js";
import { gettext } from "./translations.js";
import { modeText } from "./words.js";

/** @import { Envelope } from "./event_stream.js" */

const AT_ONCE = 100; // executions in one request of names
/** @type {Map<string, string>} of events without an execution */
const NO_NAMES = new Map();

export class EventRows {
  /** @type {Set<string>} the sources that the filter offers */
  #sources = new Set();
  /** @type {Map<string, Map<string, string>>} names of nodes by id, by execution */
  #nodes = new Map();

  /**
   * @param {Map<string, string>} workflows names by id
   * @param {(name: string, value: string) => void} onChoose called to set a filter
   */
  constructor(workflows, onChoose) {
    this.workflows = workflows;
    this.onChoose = onChoose;
  }

  /** Fetch the names of the nodes and workflows of events, which have their ids only. @param {Envelope[]} events */
  async learnNames(events) {
    const of = new Map(events.map((event) => [event.execution_id ?? "", event.workflow_id ?? ""]));
    const unknown = [...of.keys()].filter((id) => id && !this.#nodes.has(id)).slice(0, AT_ONCE);
    if (!unknown.length) return;
    const found = await fetchJson(`/api/executions/names/?execution=${unknown.join(",")}`).catch(() => []);
    for (const { execution, nodes, workflow_name: name } of found) {
      this.#nodes.set(execution, new Map(Object.entries(nodes)));
      this.workflows.set(of.get(execution) ?? "", name);
    }
  }

  /** @param {Envelope} event */
  row(event) {
    const owner = this.workflows.get(event.workflow_id ?? "") ??
      (event.workflow_id ? gettext("Workflow") : gettext("System"));
    const names = this.#nodes.get(event.execution_id ?? "") ?? NO_NAMES;
    const words = [event.mode && modeText(event.mode), subject(event, names), summary(event)].filter(Boolean)
      .join(" · ");
    const details = element(
      "details",
      { "data-status": colour(event) },
      element(
        "summary",
        {},
        momentElement(event.time, "clock"),
        element("b", { title: event.type }, event.type),
        element(
          "span",
          { class: "owner" },
          element("span", {}, owner),
          element("small", {}, event.execution_id?.slice(-8) ?? ""),
        ),
        element("span", { class: "words" }, words),
      ),
    );
    details.addEventListener("toggle", () => details.append(this.#opened(event)), { once: true });
    if (event.source && !this.#sources.has(event.source)) {
      this.#sources.add(event.source);
      byId("sources").append(element("option", { value: event.source }));
    }
    return element(
      "li",
      { "data-id": event.id, "data-time": event.time, "data-day": momentText(event.time, "day") },
      details,
    );
  }

  /** @param {Envelope} event */
  #opened(event) {
    /** @param {string} label @param {() => void} act @param {Node[]} children */
    const button = (label, act, ...children) => {
      const created = element("button", { type: "button", class: "small" }, ...children, label);
      created.addEventListener("click", act);
      return created;
    };
    /** @param {string} href @param {string} label */
    const link = (href, label) => element("a", { class: "button small", href }, label);
    const { execution_id: execution, workflow_id: workflow } = event;
    const actions = element("div", { class: "row" });
    if (execution) {
      actions.append(
        link(`/executions/${execution}/`, gettext("Open execution")),
        button(gettext("Only this execution"), () => this.onChoose("execution", execution)),
      );
    } else if (workflow && event.type !== "workflow.deleted") {
      actions.append(link(`/workflows/${workflow}/`, gettext("Open workflow")));
    }
    actions.append(
      button(gettext("Only this type"), () => this.onChoose("type", event.type)),
      button(gettext("Copy JSON"), () => copyAndTell(write(event, 2)), icon("copy", 14)),
    );
    return element("div", { class: "opened" }, actions, jsonView(event));
  }
}
