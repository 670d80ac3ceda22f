/** The page of a delivery. Its part `#delivery` polls the server until the delivery has ended. */
import { byId, closest, data, messageOf, send } from "./page.js";
import { showPayloads } from "./payloads.js";
import "./placement.js";
import { onHtmx, refresher } from "./refresh.js";
import { toast } from "./toast.js";
import { gettext } from "./translations.js";
import { statusText } from "./words.js";
import { nameWorkflows } from "./workflow_names.js";

const PATH = `/api/webhooks/deliveries/${data.id}/`;
const refresh = refresher("delivery", 0, () => `/webhooks/deliveries/${data.id}/state/`);
let shown = "";
/** @type {Map<string, boolean>} which details are open, by id */
let open = new Map();

const details =
  () => /** @type {NodeListOf<HTMLDetailsElement>} */ (document.querySelectorAll("#delivery details[id]"));

function finish() {
  showPayloads();
  nameWorkflows();
}

/** @param {HTMLButtonElement} button @param {string} action @param {string} done */
async function act(button, action, done) {
  button.disabled = true;
  try {
    await send("POST", `${PATH}${action}/`, {});
    toast(done);
  } catch (error) {
    toast(messageOf(error), "failed");
  }
  shown = "";
  refresh();
}

onHtmx("beforeRequest", (_, event) => {
  if (document.hidden) event.preventDefault();
});
onHtmx("beforeSwap", (detail) => {
  if (detail.xhr.responseText === shown) detail.shouldSwap = false;
  shown = detail.xhr.responseText;
  open = new Map([...details()].map((each) => [each.id, each.open]));
});
onHtmx("afterSettle", () => {
  for (const each of details()) each.open = open.get(each.id) ?? each.open;
  const announcement = gettext("Delivery {status}.", {
    status: statusText(byId("delivery").dataset.statusNow ?? ""),
  });
  if (byId("announcement").textContent !== announcement) byId("announcement").textContent = announcement;
  finish();
});
document.addEventListener("click", (event) => {
  const button = closest(event, "#cancel, #redeliver", HTMLButtonElement);
  if (button?.id === "cancel") act(button, "cancel", gettext("Delivery cancelled."));
  if (button?.id === "redeliver") act(button, "redeliver", gettext("Delivery queued again."));
});
document.addEventListener("visibilitychange", refresh);
finish();
