/** Buttons of an hour with discrepancies: count it again, or create its missing deliveries. */
import { closest, counted, messageOf, send } from "./page.js";
import { toast, toastLater } from "./toast.js";

document.addEventListener("click", async (event) => {
  const button = closest(event, "[data-check]");
  if (!button) return;
  const { check, endpoint, hour } = button.dataset;
  const repair = check === "repair";
  button.setAttribute("aria-busy", "true");
  try {
    const { repaired } = await send("POST", "/api/webhooks/reconciliation/check/", { endpoint, hour, repair });
    toastLater(repair ? `${counted(repaired, "missing delivery", "missing deliveries")} created.` : "Hour recounted.");
    location.reload();
  } catch (error) {
    button.removeAttribute("aria-busy");
    toast(messageOf(error), "failed");
  }
});
