/**
 * The page of all notifications: marks them as read, mutes workflows, and shows new ones as they come; while somebody
 * works in the list, a button shows them, so that no row moves under the pointer.
 */
import { markRead, notifications } from "./notification_panel.js";
import { ask } from "./confirmation.js";
import { byId, closest, formById, messageOf, query, request, send } from "./page.js";
import { refreshTimes } from "./times.js";
import { toast } from "./toast.js";
import { gettext, ngettext } from "./translations.js";

/** @import { Envelope } from "./event_stream.js" */

const PAUSE = 300; // ms in which notifications are collected
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
/** @type {HTMLElement[]} new rows that are not shown yet, the newest first */
let held = [];
let due = 0;

/** Render the list again as the filters want it, and take from it what is new. */
async function load() {
  const response = await request(location.href).catch(() => null);
  if (!response?.ok) return;
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const newest = rows().at(0)?.dataset.id ?? "";
  const found = /** @type {HTMLElement[]} */ ([...page.querySelectorAll("#notifications [data-id]")]);
  held = found.filter(({ dataset }) => (dataset.id ?? "") > newest);
  if (!list.matches(":hover, :focus-within")) return insert();
  const button = byId("show-new");
  button.hidden = !held.length;
  button.textContent = ngettext("Show {count} new notification", "Show {count} new notifications", held.length);
}

/** Put the new rows at the top. */
function insert() {
  if (held.length) query(list, ".notes").prepend(...held);
  if (rows().length) list.querySelector(".empty")?.remove();
  byId("read-all").hidden = !rows().length;
  byId("show-new").hidden = true;
  held = [];
  refreshTimes();
}

byId("show-new").addEventListener("click", () => {
  if (isLater) return location.assign(location.pathname);
  const [first] = held;
  insert();
  first?.querySelector("a")?.focus();
});

notifications.addEventListener("notifications", (event) => {
  /** @type {Envelope[]} */
  const events = /** @type {CustomEvent} */ (event).detail;
  for (const { type, data } of events) {
    if (type === "notification.created") {
      if (isLater) byId("show-new").hidden = false;
      else {
        clearTimeout(due);
        due = setTimeout(load, PAUSE);
      }
    } else {
      for (const row of [...rows(), ...held]) {
        const id = row.dataset.id ?? "";
        if (data.notifications.includes(id) || (data.through && id <= data.through)) settle(row);
      }
    }
  }
});
refreshTimes();
