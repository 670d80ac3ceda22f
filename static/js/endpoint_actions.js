/** What can be done to an endpoint, on the list and on its own page: `[data-do]` inside of `[data-id]`. */
import { ENDPOINTS, openForm, showSecret } from "./endpoint_form.js";
import { openOperation, recoverPlan, replayPlan } from "./operation.js";
import { by, send } from "./page.js";
import { toast, toastLater } from "./toast.js";

const DONE = { pause: "is paused: deliveries are kept", resume: "is resumed", enable: "is enabled" };

/** Ask before something is done. @param {{title: string, text: string, yes: string, danger?: boolean, overlap?: boolean}} what
 * @param {() => Promise<void>} act */
function ask({ title, text, yes, danger = false, overlap = false }, act) {
  by("ask-title").textContent = title;
  by("ask-text").textContent = text;
  by("overlap").hidden = !overlap;
  by("ask-problem").hidden = true;
  by("ask-yes").textContent = yes;
  by("ask-yes").className = danger ? "danger" : "primary";
  by("ask-yes").onclick = async () => {
    by("ask-yes").disabled = true;
    try {
      await act();
      by("ask").close();
    } catch (error) {
      by("ask-problem").textContent = error.errors?.[0]?.message ?? error.message;
      by("ask-problem").hidden = false;
    }
    by("ask-yes").disabled = false;
  };
  by("ask").showModal();
}

function askRotate(id, name) {
  const text = "A new secret signs from now on. Those before sign too for a while, so that the receiver can change over without missing anything.";
  ask({ title: `Rotate the secret of ${name}?`, text, yes: "Rotate", overlap: true }, async () => {
    const hours = document.querySelector("[name=overlap]:checked").value;
    const issued = await send("POST", `${ENDPOINTS}${id}/rotate-secret/`, hours === "" ? {} : { overlap_hours: Number(hours) });
    by("ask").close();
    showSecret(issued, "The new secret signs.", hours === "0" ? "The secrets before do not sign any more." : "The secrets before sign too until the overlap is over.");
  });
}

function askDelete(id, name) {
  const text = "What waits for it is cancelled, and its secrets are gone at once. Its deliveries can be read until retention removes them.";
  ask({ title: `Delete ${name}?`, text, yes: "Delete", danger: true }, async () => {
    await send("DELETE", `${ENDPOINTS}${id}/`);
    toastLater(`${name} is deleted.`);
    location.assign("/webhooks/");
  });
}

async function act(kind, id, name) {
  if (kind === "edit") return openForm(await send("GET", `${ENDPOINTS}${id}/`));
  if (kind === "rotate") return askRotate(id, name);
  if (kind === "delete") return askDelete(id, name);
  if (kind === "recover") return openOperation(recoverPlan(id, name));
  if (kind === "replay") return openOperation(replayPlan(id, name));
  const answer = await send("POST", `${ENDPOINTS}${id}/${kind}/`, {});
  if (kind === "test") return location.assign(`/webhooks/deliveries/${answer.id}/`);
  toastLater(`${name} ${DONE[kind]}.`);
  return location.reload();
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-do]");
  if (!button) return;
  if (button.dataset.do === "close") return void button.closest("dialog").close();
  const { id, name } = button.closest("[data-id]").dataset;
  button.closest("[popover]")?.hidePopover();
  button.setAttribute("aria-busy", "true");
  try {
    await act(button.dataset.do, id, name);
  } catch (error) {
    toast(error.message, "failed");
  }
  button.removeAttribute("aria-busy");
});

/** A menu opens in the top layer, so that no card cuts it: put it below its button. */
document.addEventListener("toggle", (event) => {
  const menu = event.target;
  if (!menu.classList?.contains("menu") || event.newState !== "open") return;
  const box = document.querySelector(`[popovertarget="${menu.id}"]`).getBoundingClientRect();
  menu.style.left = `${Math.max(8, box.right - menu.offsetWidth)}px`;
  menu.style.top = `${Math.max(8, Math.min(box.bottom + 4, innerHeight - menu.offsetHeight - 8))}px`;
}, true);
addEventListener("scroll", () => document.querySelector(".menu:popover-open")?.hidePopover(), { passive: true });
