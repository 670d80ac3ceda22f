/** Bodies of requests and answers: JSON as a tree, anything else as the text that it is. */
import { jsonView } from "./json_view.js";

export function showPayloads(root = document) {
  for (const text of root.querySelectorAll("pre[data-payload]")) {
    delete text.dataset.payload;
    try {
      const value = JSON.parse(text.textContent);
      if (value === null || typeof value !== "object") continue;
      const view = jsonView(value);
      view.classList.add("payload");
      text.replaceWith(view);
    } catch {
      // No JSON: it stays.
    }
  }
}
