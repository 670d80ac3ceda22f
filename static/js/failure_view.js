/** Why a node run failed: the message, the expression, what was sent, what came back, and how often it happens. */
import { DataView } from "./data_view.js";
import { messageView } from "./exchange_view.js";
import { element, fetchJson, number } from "./page.js";
import { timeElement } from "./times.js";
import { copyAndTell } from "./toast.js";

/** @import { FailedExpression, NodeRunAnswer } from "./types.js" */

/**
 * @param {NodeRunAnswer} answer about a node run that has failed
 * @param {string} path of the node run in the API
 */
export function failureView(answer, path) {
  const { error } = answer;
  if (!error) return element("section", {});
  const attempt = answer.attempt > 1 ? ` · attempt ${answer.attempt}` : "";
  const notice = element(
    "div",
    { class: "notice failure", "data-status": "failed", role: "alert" },
    element("b", {}, `${error.type ?? "Error"}${attempt}`),
    element("pre", {}, error.message),
  );
  /** @type {HTMLElement[]} */
  const parts = [notice];
  if (error.expression) parts.push(...expressionView(error.expression));
  if (error.response) parts.push(element("h3", {}, "What came back"), messageView(error.response, "of the response"));
  parts.push(...sentView(answer));
  const similar = element("p", { class: "similar", "aria-live": "polite" });
  parts.push(element("h3", {}, "Same cause"), similar);
  showSimilar(similar, path, answer.run_index);
  return element("section", { class: "side", "aria-label": "Error" }, ...parts);
}

/** @param {FailedExpression} failed @returns {HTMLElement[]} */
function expressionView({ parameter, source, item, line, column }) {
  const lines = source.split("\n");
  if (line && column) lines.splice(line, 0, `${" ".repeat(column - 1)}^`);
  const at = line ? ` · line ${line}, column ${column}` : "";
  const copy = element("button", { type: "button", class: "small quiet" }, "Copy expression");
  copy.addEventListener("click", () => copyAndTell(source, "Expression copied."));
  return [
    element("h3", {}, "The expression that failed", copy),
    element("p", { class: "place" }, element("b", { class: "mono" }, parameter), ` · item ${item}${at}`),
    element("pre", { class: "source", tabindex: "0" }, lines.join("\n")),
  ];
}

/** Return the request of the item that failed, or the parameters if there was none. @param {NodeRunAnswer} answer */
function sentView(answer) {
  const exchanges = answer.exchange?.exchanges ?? [];
  const item = answer.error?.expression?.item ?? answer.parameters_item;
  const last = exchanges.findLast((each) => each.item === item) ?? exchanges.at(-1);
  if (last) {
    const title = element("h3", {}, "What was sent", element("small", {}, `item ${last.item}`));
    return [title, messageView(last.request, "of the request")];
  }
  if (!answer.parameters || !Object.keys(answer.parameters).length) return [];
  return [element("h3", {}, "Parameters"), new DataView(answer.parameters, { label: "parameters" }).root];
}

/** @param {HTMLElement} root @param {string} path @param {number} runIndex */
async function showSimilar(root, path, runIndex) {
  root.textContent = "Looking for the same failure in other executions…";
  try {
    const found = await fetchJson(`${path}similar-failures/?run_index=${runIndex}`);
    const failed = `/?workflow=${found.workflow}&status=failed`;
    const [href, label] = found.count > 1
      ? [`/?cause=${found.cause}`, "All of them"]
      : [failed, "All failed executions"];
    const all = element("a", { class: "link", href }, label);
    if (found.count <= 1) {
      return root.replaceChildren("No other execution of this workflow failed like this. ", all);
    }
    const first = timeElement(found.first_at);
    const links = found.executions.flatMap((/** @type {{id: string, ended_at: string}} */ each) => [
      element("a", { class: "link", href: `/executions/${each.id}/` }, timeElement(each.ended_at)),
      " · ",
    ]);
    const text = `${found.more ? "More than " : ""}${number(found.count)} executions failed like this, first `;
    root.replaceChildren(text, first, ". Others: ", ...links, all);
  } catch {
    root.textContent = "Couldn't look for similar failures.";
  }
}
