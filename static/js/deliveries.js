/** The log of deliveries, and what can be done with all that match its filters. */
import { openOperation } from "./operation.js";
import { byId, closest, findById } from "./page.js";
import "./webhook_log.js";

const OPERATIONS = "/api/webhooks/operations/";

/** The filters as the API takes them. */
const filters = () => JSON.parse(byId("list-data").textContent).question;

/** The filters, with `statuses` if none are chosen. @param {string[]} statuses */
const withStatuses = (statuses) => (filters().status ? filters() : { ...filters(), status: statuses });

/** @param {string} note */
const unlessChosen = (note) => (filters().status ? "" : ` ${note}`);

findById("redeliver")?.addEventListener("click", () =>
  openOperation({
    title: "Resend matching deliveries",
    verb: "Resend #",
    done: "resent",
    spans: false,
    types: false,
    chooses: true,
    path: OPERATIONS,
    about: "Resends the deliveries that match the filters, each with its original webhook-id. " +
      `Deliveries in progress are left alone.${
        unlessChosen("No status is selected: only failed deliveries are resent.")
      }`,
    body: { kind: "redeliver", filter: withStatuses(["failed"]) },
  }));
findById("cancel")?.addEventListener("click", () =>
  openOperation({
    title: "Cancel matching deliveries",
    verb: "Cancel #",
    done: "cancelled",
    danger: true,
    spans: false,
    types: false,
    chooses: true,
    path: OPERATIONS,
    about: "Cancels pending deliveries that match the filters. An attempt in progress finishes, but is not retried.",
    body: { kind: "cancel", filter: withStatuses(["pending", "sending"]) },
  }));
document.addEventListener("click", (event) => {
  closest(event, "[data-do=close]")?.closest("dialog")?.close();
});
