/** The settings of a workflow on its page: the time zone, a part of the definition, and the static data of code. */
import { parse } from "./editor.js";
import { jsonView } from "./json_view.js";
import {
  buttonById,
  byId,
  data,
  dialogById,
  element,
  fetchJson,
  findById,
  inputById,
  messageOf,
  send,
} from "./page.js";
import { toast } from "./toast.js";

/** @import { JsonEditor } from "./editor.js" */

/** Return the time zone in a definition, or "". @param {string} text */
function zoneIn(text) {
  try {
    return String(parse(text).settings?.timezone ?? "");
  } catch {
    return "";
  }
}

/**
 * Keep the field of the time zone and the definition in the editor equal.
 * @param {JsonEditor} editor
 * @param {(error: unknown) => void} fail shows why the definition cannot be changed
 */
export function showTimeZone(editor, fail) {
  const input = inputById("timezone");
  input.value = zoneIn(editor.text);
  const zones = Intl.supportedValuesOf("timeZone");
  byId("timezones").replaceChildren(...zones.map((zone) => element("option", { value: zone })));
  editor.area.addEventListener("input", () => {
    if (document.activeElement !== input) input.value = zoneIn(editor.text);
  });
  input.addEventListener("change", () => {
    const zone = input.value.trim();
    try {
      const definition = parse(editor.text);
      const { timezone: _, ...others } = definition.settings ?? {};
      editor.set({ ...definition, settings: zone ? { ...others, timezone: zone } : others });
      editor.area.dispatchEvent(new Event("input"));
    } catch (error) {
      fail(error);
    }
  });
}

const PATH = `/api/workflows/${data.workflow}/static-data/`;

/** Show the static data that the workflow has now. */
async function load() {
  const view = byId("static-data-view");
  const reset = buttonById("reset-static-data");
  try {
    const kept = await fetchJson(PATH);
    const empty = Object.keys(kept.global).length + Object.keys(kept.nodes).length === 0;
    const text = element("p", { class: "muted" }, "There is none.");
    view.replaceChildren(empty ? text : jsonView({ global: kept.global, nodes: kept.nodes }));
    reset.hidden = empty;
  } catch (error) {
    view.replaceChildren(element("p", { class: "notice", "data-status": "failed" }, messageOf(error)));
  }
}

/** Load the static data when it is opened, and reset it after a confirmation. */
export function showStaticData() {
  const details = findById("static-data", HTMLDetailsElement);
  if (!details) return;
  details.addEventListener("toggle", () => details.open && load());
  buttonById("reset-static-data").addEventListener("click", () => {
    byId("confirm-problem").hidden = true;
    dialogById("confirm").showModal();
  });
  const yes = buttonById("confirm-yes");
  yes.addEventListener("click", async () => {
    yes.disabled = true;
    try {
      await send("DELETE", PATH);
      dialogById("confirm").close();
      toast("Static data reset.");
      await load();
    } catch (error) {
      byId("confirm-problem").textContent = messageOf(error);
      byId("confirm-problem").hidden = false;
    }
    yes.disabled = false;
  });
}
