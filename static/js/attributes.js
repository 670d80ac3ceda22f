/** The attributes that a workflow has set on an execution, each with a link to the executions that have the same. */
import { byId, element } from "./page.js";
import { gettext } from "./translations.js";

/** @param {Record<string, string>} attributes */
export function showAttributes(attributes) {
  const root = byId("attributes");
  const keys = Object.keys(attributes);
  const shown = keys.map((key) => `${key}:${attributes[key]}`);
  if (root.dataset.shown === shown.join("\n")) return;
  root.dataset.shown = shown.join("\n");
  root.hidden = !keys.length;
  root.replaceChildren(...keys.map((key) => {
    const href = `/?${new URLSearchParams({ attribute: `${key}:${attributes[key]}` })}`;
    const title = gettext("Show the executions with this attribute");
    return element("a", { class: "tag attribute", href, title }, element("b", {}, key), ` ${attributes[key]}`);
  }));
}
