/** The static data of a workflow on its page: what code keeps from one execution to the next. */
import { jsonView } from "./json_view.js";
import { buttonById, byId, data, dialogById, element, fetchJson, findById, messageOf, send } from "./page.js";
import { toast } from "./toast.js";
import { gettext } from "./translations.js";

const PATH = `/api/workflows/${data.workflow}/static-data/`;

/** Show the static data that the workflow has now. */
async function load() {
  const view = byId("static-data-view");
  const reset = buttonById("reset-static-data");
  try {
    const kept = await fetchJson(PATH);
    const empty = Object.keys(kept.global).length + Object.keys(kept.nodes).length === 0;
    const text = element("p", { class: "muted" }, gettext("There is none."));
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
  const dialog = dialogById("static-data-dialog");
  const problem = byId("static-data-problem");
  buttonById("reset-static-data").addEventListener("click", () => {
    problem.hidden = true;
    dialog.showModal();
  });
  const yes = buttonById("static-data-yes");
  yes.addEventListener("click", async () => {
    yes.disabled = true;
    try {
      await send("DELETE", PATH);
      dialog.close();
      toast(gettext("Static data reset."));
      await load();
    } catch (error) {
      problem.textContent = messageOf(error);
      problem.hidden = false;
    }
    yes.disabled = false;
  });
}
