/** The log of deliveries: what is done to all that the filters fit. */
import { openOperation } from "./operation.js";
import { by } from "./page.js";
import "./webhook_log.js";

const OPERATIONS = "/api/webhooks/operations/";
const chosen = () => JSON.parse(by("list-data").textContent).question;

by("redeliver")?.addEventListener("click", () => openOperation({
  title: "Redeliver what the filters fit", verb: "Send again", done: "sent again", spans: false, types: false, path: OPERATIONS,
  about: "Those that have ended are sent again, each with the webhook-id that it had. What has not ended stays as it is.",
  body: { kind: "redeliver", filter: chosen() },
}));
by("cancel")?.addEventListener("click", () => openOperation({
  title: "Cancel what the filters fit", verb: "Cancel", done: "cancelled", danger: true, spans: false, types: false, path: OPERATIONS,
  about: "Those that have not ended are sent no more; of one that is being sent no further attempt follows.",
  body: { kind: "cancel", filter: chosen() },
}));
document.querySelector("#operation [data-do=close]")?.closest("dialog").addEventListener("click", ({ target }) => {
  target.closest("[data-do=close]")?.closest("dialog").close();
});
