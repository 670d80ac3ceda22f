/** An hour whose sum does not hold: counted again, or mended by making the deliveries that are missing. */
import { send } from "./page.js";
import { toast, toastLater } from "./toast.js";

document.addEventListener("click", async ({ target }) => {
  const button = target.closest("[data-check]");
  if (!button) return;
  const { check, endpoint, hour } = button.dataset;
  button.setAttribute("aria-busy", "true");
  try {
    const { repaired } = await send("POST", "/api/webhooks/reconciliation/check/", { endpoint, hour, repair: check === "repair" });
    const made = `${repaired} ${repaired === 1 ? "delivery that was missing is" : "deliveries that were missing are"} made.`;
    toastLater(check === "repair" ? made : "The hour is counted again.");
    location.reload();
  } catch (error) {
    button.removeAttribute("aria-busy");
    toast(error.message, "failed");
  }
});
