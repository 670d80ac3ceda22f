/** The switches that let a workflow's triggers start it, or not. */
import { send } from "./page.js";
import { toast } from "./toast.js";

document.addEventListener("click", async (event) => {
  const button = event.target.closest(".switch[data-workflow]");
  if (!button || button.disabled) return;
  event.preventDefault();
  const on = button.getAttribute("aria-checked") !== "true";
  button.disabled = true;
  try {
    await send("POST", `/api/workflows/${button.dataset.workflow}/${on ? "activate" : "deactivate"}/`);
    button.setAttribute("aria-checked", on);
    button.parentElement.querySelector("span").textContent = on ? "active" : "inactive";
    for (const each of document.querySelectorAll("[data-while-inactive]")) each.hidden = on;
    document.dispatchEvent(new Event("activation"));
  } catch (error) {
    toast(error.message, "failed");
  }
  button.disabled = false;
});
