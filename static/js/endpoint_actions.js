/** The actions of an endpoint, on the list and on its own page: buttons `[data-do]` inside `[data-id]`. */
import { ENDPOINTS, openForm } from "./endpoint_form.js";
import "./menus.js";
import { openOperation, recoverPlan, replayPlan } from "./operation.js";
import { buttonById, byId, closest, dialogById, errorsOf, fetchJson, messageOf, query, send } from "./page.js";
import { showSecret } from "./secret_dialog.js";
import { toast, toastLater } from "./toast.js";
import { gettext } from "./translations.js";

/** @type {Record<string, (name: string) => string>} */
const DONE = {
  pause: (name) => gettext("{name} paused. Its deliveries are kept.", { name }),
  resume: (name) => gettext("{name} resumed.", { name }),
  enable: (name) => gettext("{name} enabled.", { name }),
};

/**
 * Ask for confirmation.
 * @param {{title: string, text: string, yes: string, danger?: boolean, overlap?: boolean}} question
 * @param {() => Promise<void>} act
 */
function confirm({ title, text, yes, danger = false, overlap = false }, act) {
  const button = buttonById("confirm-yes");
  byId("confirm-title").textContent = title;
  byId("confirm-text").textContent = text;
  byId("overlap").hidden = !overlap;
  byId("confirm-problem").hidden = true;
  button.textContent = yes;
  button.className = danger ? "danger" : "primary";
  button.onclick = async () => {
    button.disabled = true;
    try {
      await act();
      dialogById("confirm").close();
    } catch (error) {
      byId("confirm-problem").textContent = errorsOf(error)[0]?.message ?? messageOf(error);
      byId("confirm-problem").hidden = false;
    }
    button.disabled = false;
  };
  dialogById("confirm").showModal();
}

/** @param {string} id @param {string} name */
function confirmRotate(id, name) {
  const title = gettext("Rotate the secret of {name}?", { name });
  const text = gettext(
    "New deliveries are signed with a new secret. Earlier secrets keep signing during the overlap, so that the receiver can switch without rejecting deliveries.",
  );
  confirm({ title, text, yes: gettext("Rotate"), overlap: true }, async () => {
    const hours = query(document, "[name=overlap]:checked", HTMLInputElement).value;
    const body = hours === "" ? {} : { overlap_hours: Number(hours) };
    const endpoint = await send("POST", `${ENDPOINTS}${id}/rotate-secret/`, body);
    dialogById("confirm").close();
    const note = hours === "0"
      ? gettext("Earlier secrets no longer sign.")
      : gettext("Earlier secrets keep signing during the overlap.");
    showSecret(endpoint, gettext("Secret rotated."), note);
  });
}

/** @param {string} id @param {string} name */
function confirmDelete(id, name) {
  const text = gettext(
    "Pending deliveries are cancelled and the secrets are deleted immediately. Past deliveries stay visible until retention removes them.",
  );
  confirm({ title: gettext("Delete {name}?", { name }), text, yes: gettext("Delete"), danger: true }, async () => {
    await send("DELETE", `${ENDPOINTS}${id}/`);
    toastLater(gettext("{name} deleted.", { name }));
    location.assign("/webhooks/");
  });
}

/** @param {string} action @param {string} id @param {string} name */
async function act(action, id, name) {
  if (action === "edit") return openForm(await fetchJson(`${ENDPOINTS}${id}/`));
  if (action === "rotate") return confirmRotate(id, name);
  if (action === "delete") return confirmDelete(id, name);
  if (action === "recover") return openOperation(recoverPlan(id, name));
  if (action === "replay") return openOperation(replayPlan(id, name));
  const result = await send("POST", `${ENDPOINTS}${id}/${action}/`, {});
  if (action === "test") return location.assign(`/webhooks/deliveries/${result.id}/`);
  toastLater(DONE[action](name));
  return location.reload();
}

document.addEventListener("click", async (event) => {
  const button = closest(event, "[data-do]");
  if (!button) return;
  const action = button.dataset.do ?? "";
  if (action === "close") return void button.closest("dialog")?.close();
  const { id = "", name = "" } = /** @type {HTMLElement | null} */ (button.closest("[data-id]"))?.dataset ?? {};
  /** @type {HTMLElement | null} */ (button.closest("[popover]"))?.hidePopover();
  button.setAttribute("aria-busy", "true");
  try {
    await act(action, id, name);
  } catch (error) {
    toast(messageOf(error), "failed");
  }
  button.removeAttribute("aria-busy");
});
