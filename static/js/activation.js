/** The switches that turn a workflow's triggers on and off. */
import { closest, messageOf, query, send } from "./page.js";
import { toast } from "./toast.js";

document.addEventListener("click", async (event) => {
  const button = closest(event, ".switch[data-workflow]", HTMLButtonElement);
  if (!button || button.disabled) return;
  event.preventDefault();
  const on = button.getAttribute("aria-checked") !== "true";
  button.disabled = true;
  try {
    await send("POST", `/api/workflows/${button.dataset.workflow}/${on ? "activate" : "deactivate"}/`);
    button.setAttribute("aria-checked", String(on));
    if (button.parentElement) query(button.parentElement, "span").textContent = on ? "Active" : "Off";
    for (const note of document.querySelectorAll("[data-while-inactive]")) note.toggleAttribute("hidden", on);
    document.dispatchEvent(new Event("activation"));
  } catch (error) {
    toast(messageOf(error), "failed");
  }
  button.disabled = false;
});
