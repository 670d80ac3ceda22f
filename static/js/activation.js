/** The switches that turn a workflow's triggers on and off. */
import { closest, messageOf, query, send } from "./page.js";
import { toast } from "./toast.js";
import { gettext } from "./translations.js";

/** @param {HTMLButtonElement} button @param {boolean} on */
async function turn(button, on) {
  button.disabled = true;
  try {
    await send("POST", `/api/workflows/${button.dataset.workflow}/${on ? "activate" : "deactivate"}/`);
    button.setAttribute("aria-checked", String(on));
    if (button.parentElement) query(button.parentElement, "span").textContent = on ? gettext("Active") : gettext("Off");
    for (const note of document.querySelectorAll("[data-while-inactive]")) note.toggleAttribute("hidden", on);
    document.dispatchEvent(new Event("activation"));
  } finally {
    button.disabled = false;
  }
}

document.addEventListener("click", async (event) => {
  const button = closest(event, ".switch[data-workflow]", HTMLButtonElement);
  if (!button || button.disabled) return;
  event.preventDefault();
  const on = button.getAttribute("aria-checked") !== "true";
  try {
    await turn(button, on);
    const { name = "" } = button.dataset;
    const text = on
      ? gettext("{name} is active: its triggers start it.", { name })
      : gettext("{name} is off: its triggers don't start it.", { name });
    toast(text, "completed", () => turn(button, !on));
  } catch (error) {
    toast(messageOf(error), "failed");
  }
  button.focus(); // a disabled button has lost it
});
