/**
 * The page of all notifications: marks them as read, mutes workflows, and shows new ones as they come; while somebody
 * works in the list, a button shows them, so that no row moves under the pointer.
 */
import { markRead, notifications } from "./notification_panel.js";
import { ask } from "./confirmation.js";
import { byId, closest, formById, messageOf, send } from "./page.js";
import { onHtmx, refresher } from "./refresh.js";
import { toast } from "./toast.js";
import { gettext } from "./translations.js";

/** @import { Envelope } from "./event_stream.js" */

const PAUSE = 300; // ms between two requests
const list = byId("notifications");
const isLater = new URLSearchParams(location.search).has("before"); // a page with older ones
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

byId("read-all").addEventListener("click", async () => {
  const newest = rows().at(0)?.dataset.id;
  if (!newest) return;
  try {
    await markRead({ through: newest });
    rows().forEach(settle);
    toast(gettext("All notifications marked as read."));
  } catch (error) {
    toast(messageOf(error), "failed");
  }
});

formById("filters").addEventListener("change", () => formById("filters").requestSubmit());
formById("filters").addEventListener("formdata", (event) => {
  for (const [name, value] of [...event.formData]) if (!value) event.formData.delete(name);
});
const refresh = refresher("note-list", PAUSE);
let toFirst = false; // the keyboard goes to the newest row

byId("show-new").addEventListener("click", () => {
  if (isLater) return location.assign(location.pathname);
  toFirst = true;
  refresh();
});
onHtmx("afterSwap", () => {
  byId("show-new").hidden = true;
  byId("read-all").hidden = !rows().length;
  if (toFirst) rows().at(0)?.querySelector("a")?.focus();
  toFirst = false;
});

notifications.addEventListener("notifications", (event) => {
  /** @type {Envelope[]} */
  const events = /** @type {CustomEvent} */ (event).detail;
  for (const { type, data } of events) {
    if (type === "notification.created") {
      if (isLater || list.matches(":hover, :focus-within")) byId("show-new").hidden = false;
      else refresh();
    } else {
      for (const row of rows()) {
        const id = row.dataset.id ?? "";
        if (data.notifications.includes(id) || (data.through && id <= data.through)) settle(row);
      }
    }
  }
});
