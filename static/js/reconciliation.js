/** Buttons of an hour with discrepancies: count it again, or create its missing deliveries. */
import { closest, messageOf, send } from "./page.js";
import { toast, toastLater } from "./toast.js";
import { gettext, ngettext } from "./translations.js";

document.addEventListener("click", async (event) => {
  const button = closest(event, "[data-check]");
  if (!button) return;
  const { check, endpoint, hour } = button.dataset;
  const repair = check === "repair";
  button.setAttribute("aria-busy", "true");
  try {
    const { repaired } = await send("POST", "/api/webhooks/reconciliation/check/", { endpoint, hour, repair });
    toastLater(
      repair
        ? ngettext("{count} missing delivery created.", "{count} missing deliveries created.", repaired)
        : gettext("Hour recounted."),
    );
    location.reload();
  } catch (error) {
    button.removeAttribute("aria-busy");
    toast(messageOf(error), "failed");
  }
});
