/** The log of deliveries, and what can be done with all that match its filters. */
import { CANCEL, openOperation, RESEND } from "./operation.js";
import { byId, closest, findById } from "./page.js";
import { gettext } from "./translations.js";
import "./webhook_log.js";

const OPERATIONS = "/api/webhooks/operations/";

const RESENDS = gettext(
  "Resends the deliveries that match the filters, each with its original webhook-id. Deliveries in progress are left alone.",
);
const ONLY_FAILED = gettext("No status is selected: only failed deliveries are resent.");

/** The filters as the API takes them. */
const filters = () => JSON.parse(byId("list-data").textContent).question;

/** The filters, with `statuses` if none are chosen. @param {string[]} statuses */
const withStatuses = (statuses) => (filters().status ? filters() : { ...filters(), status: statuses });

findById("redeliver")?.addEventListener("click", () =>
  openOperation({
    title: gettext("Resend matching deliveries"),
    words: RESEND,
    spans: false,
    types: false,
    chooses: true,
    path: OPERATIONS,
    about: filters().status ? RESENDS : `${RESENDS} ${ONLY_FAILED}`,
    body: { kind: "redeliver", filter: withStatuses(["failed"]) },
  }));
findById("cancel")?.addEventListener("click", () =>
  openOperation({
    title: gettext("Cancel matching deliveries"),
    words: CANCEL,
    danger: true,
    spans: false,
    types: false,
    chooses: true,
    path: OPERATIONS,
    about: gettext(
      "Cancels pending deliveries that match the filters. An attempt in progress finishes, but is not retried.",
    ),
    body: { kind: "cancel", filter: withStatuses(["pending", "sending"]) },
  }));
document.addEventListener("click", (event) => {
  closest(event, "[data-do=close]")?.closest("dialog")?.close();
});
