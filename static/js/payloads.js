/** Bodies of requests and responses: JSON as a tree, anything else as text. */
import { read } from "./exact_json.js";
import { jsonView } from "./json_view.js";

export function showPayloads() {
  for (const text of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("pre[data-payload]"))) {
    delete text.dataset.payload;
    try {
      const value = read(text.textContent);
      if (value === null || typeof value !== "object") continue;
      const view = jsonView(value);
      view.classList.add("payload");
      text.replaceWith(view);
    } catch {
      // Not JSON: the text stays.
    }
  }
}
