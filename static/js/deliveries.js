/** The log of deliveries: what is done to all that the filters fit. */
import { openOperation } from "./operation.js";
import { by } from "./page.js";
import "./webhook_log.js";

const OPERATIONS = "/api/webhooks/operations/";

/** The filters as the API takes them. Without a status they mean what there is to do something about.
 * @param {string[]} statuses */
function chosen(statuses) {
  const { question } = JSON.parse(by("list-data").textContent);
  return question.status ? question : { ...question, status: statuses };
}

/** @param {string} otherwise */
const said = (otherwise) => (JSON.parse(by("list-data").textContent).question.status ? "" : ` No status is chosen: ${otherwise}.`);

by("redeliver")?.addEventListener("click", () => openOperation({
  title: "Redeliver what the filters fit", verb: "Send # again", done: "sent again", spans: false, types: false, chooses: true, path: OPERATIONS,
  about: `They are sent again, each with the webhook-id that it had. What has not ended stays as it is.${said("only those that failed are meant")}`,
  body: { kind: "redeliver", filter: chosen(["failed"]) },
}));
by("cancel")?.addEventListener("click", () => openOperation({
  title: "Cancel what the filters fit", verb: "Cancel #", done: "cancelled", danger: true, spans: false, types: false, chooses: true, path: OPERATIONS,
  about: "Those that have not ended are sent no more; of one that is being sent no further attempt follows.",
  body: { kind: "cancel", filter: chosen(["pending", "sending"]) },
}));
document.addEventListener("click", ({ target }) => target.closest("[data-do=close]")?.closest("dialog").close());
