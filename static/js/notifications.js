/** The page of all notifications: marks them as read, mutes workflows, and says when there are new ones. */
import { markRead, notifications } from "./notification_panel.js";
import { ask } from "./confirmation.js";
import { byId, closest, findById, formById, messageOf, send } from "./page.js";
import { refreshTimes } from "./times.js";
import { toast, toastLater } from "./toast.js";
import { gettext } from "./translations.js";

/** @import { Envelope } from "./event_stream.js" */

const list = byId("notifications");
const rows = () => /** @type {HTMLElement[]} */ ([...list.querySelectorAll("[data-id]")]);

/** Show a row as read. @param {HTMLElement} row */
function settle(row) {
  delete row.dataset.unread;
  row.querySelector(".visually-hidden")?.remove();
  const button = row.querySelector("[data-read]");
  if (button === document.activeElement) row.querySelector("a")?.focus();
  button?.remove();
}

list.addEventListener("click", async (event) => {
  const row = closest(event, "[data-id]");
  const button = closest(event, "button");
  if (!row) return;
  const id = row.dataset.id ?? "";
  try {
    if (button?.dataset.mute) {
      await mute(button.dataset.mute, button.dataset.name ?? "");
    } else if (row.dataset.unread !== undefined && (button || closest(event, "[data-open]"))) {
      settle(row);
      await markRead({ ids: [id] });
    }
  } catch (error) {
    toast(messageOf(error), "failed");
  }
});

/** @param {string} workflow @param {string} name */
async function mute(workflow, name) {
  const sure = await ask({
    title: gettext("Mute {name}?", { name }),
    text: gettext("You get no more notifications about this workflow. Your account page lists muted workflows."),
    verb: gettext("Mute"),
  });
  if (!sure) return;
  await send("PATCH", "/api/account/notifications/", { mute: [workflow] });
  toast(gettext("Muted: {name}.", { name }));
}

findById("read-all")?.addEventListener("click", async () => {
  const newest = rows().at(0)?.dataset.id;
  if (!newest) return;
  try {
    await markRead({ through: newest });
    toastLater(gettext("All notifications marked as read."));
    location.reload();
  } catch (error) {
    toast(messageOf(error), "failed");
  }
});

formById("filters").addEventListener("change", () => formById("filters").requestSubmit());
formById("filters").addEventListener("formdata", (event) => {
  for (const [name, value] of [...event.formData]) if (!value) event.formData.delete(name);
});
byId("show-new").addEventListener("click", () => location.assign(location.pathname));

notifications.addEventListener("notifications", (event) => {
  /** @type {Envelope[]} */
  const events = /** @type {CustomEvent} */ (event).detail;
  for (const { type, data } of events) {
    if (type === "notification.created") byId("show-new").hidden = false;
    else {
      for (const row of rows()) {
        const id = row.dataset.id ?? "";
        if (data.notifications.includes(id) || (data.through && id <= data.through)) settle(row);
      }
    }
  }
});
refreshTimes();
