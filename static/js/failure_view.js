/** Why a node run failed: the message, the expression, what was sent, what came back, and how often it happens. */
import { DataView } from "./data_view.js";
import { messageView } from "./exchange_view.js";
import { element, fetchJson } from "./page.js";
import { timeElement } from "./times.js";
import { copyAndTell } from "./toast.js";
import { gettext, ngettext, textWith } from "./translations.js";

/** @import { FailedExpression, NodeRunAnswer } from "./types.js" */

/**
 * @param {NodeRunAnswer} answer about a node run that has failed
 * @param {string} path of the node run in the API
 */
export function failureView(answer, path) {
  const { error } = answer;
  if (!error) return element("section", {});
  const title = [error.type ?? gettext("Error")];
  if (answer.attempt > 1) title.push(gettext("attempt {attempt}", { attempt: answer.attempt }));
  const notice = element(
    "div",
    { class: "notice failure", "data-status": "failed", role: "alert" },
    element("b", {}, title.join(" · ")),
    element("pre", {}, error.message),
  );
  /** @type {HTMLElement[]} */
  const parts = [notice];
  if (error.expression) parts.push(...expressionView(error.expression));
  if (error.response) {
    const label = gettext("of the response");
    parts.push(element("h3", {}, gettext("What came back")), messageView(error.response, label));
  }
  parts.push(...sentView(answer));
  const similar = element("p", { class: "similar", "aria-live": "polite" });
  parts.push(element("h3", {}, gettext("Same cause")), similar);
  showSimilar(similar, path, answer.run_index);
  return element("section", { class: "side", "aria-label": gettext("Error") }, ...parts);
}

/** @param {FailedExpression} failed @returns {HTMLElement[]} */
function expressionView({ parameter, source, item, line, column }) {
  const lines = source.split("\n");
  if (line && column) lines.splice(line, 0, `${" ".repeat(column - 1)}^`);
  const place = ["", gettext("item {item}", { item })];
  if (line) place.push(gettext("line {line}, column {column}", { line, column: column ?? 1 }));
  const copy = element("button", { type: "button", class: "small quiet" }, gettext("Copy expression"));
  copy.addEventListener("click", () => copyAndTell(source, gettext("Expression copied.")));
  return [
    element("h3", {}, gettext("The expression that failed"), copy),
    element("p", { class: "place" }, element("b", { class: "mono" }, parameter), place.join(" · ")),
    element("pre", { class: "source", tabindex: "0" }, lines.join("\n")),
  ];
}

/** Return the request of the item that failed, or the parameters if there was none. @param {NodeRunAnswer} answer */
function sentView(answer) {
  const exchanges = answer.exchange?.exchanges ?? [];
  const item = answer.error?.expression?.item ?? answer.parameters_item;
  const last = exchanges.findLast((each) => each.item === item) ?? exchanges.at(-1);
  if (last) {
    const item = element("small", {}, gettext("item {item}", { item: last.item }));
    return [element("h3", {}, gettext("What was sent"), item), messageView(last.request, gettext("of the request"))];
  }
  if (!answer.parameters || !Object.keys(answer.parameters).length) return [];
  const view = new DataView(answer.parameters, { label: gettext("parameters") });
  return [element("h3", {}, gettext("Parameters")), view.root];
}

/** @param {HTMLElement} root @param {string} path @param {number} runIndex */
async function showSimilar(root, path, runIndex) {
  root.textContent = gettext("Looking for the same failure in other executions…");
  try {
    const found = await fetchJson(`${path}similar-failures/?run_index=${runIndex}`);
    const failed = `/?workflow=${found.workflow}&status=failed`;
    const [href, label] = found.count > 1
      ? [`/?cause=${found.cause}`, gettext("All of them")]
      : [failed, gettext("All failed executions")];
    const all = element("a", { class: "link", href }, label);
    if (found.count <= 1) {
      const none = gettext("No other execution of this workflow failed like this.");
      return root.replaceChildren(none, " ", all);
    }
    const links = found.executions.flatMap((/** @type {{id: string, ended_at: string}} */ each) => [
      element("a", { class: "link", href: `/executions/${each.id}/` }, timeElement(each.ended_at)),
      " · ",
    ]);
    const first = { first: "{first}" }; // stays for the element
    const text = found.more
      ? ngettext(
        "More than {count} execution failed like this, first {first}. Others:",
        "More than {count} executions failed like this, first {first}. Others:",
        found.count,
        first,
      )
      : ngettext(
        "{count} execution failed like this, first {first}. Others:",
        "{count} executions failed like this, first {first}. Others:",
        found.count,
        first,
      );
    root.replaceChildren(...textWith(text, { first: timeElement(found.first_at) }), " ", ...links, all);
  } catch {
    root.textContent = gettext("Couldn't look for similar failures.");
  }
}
