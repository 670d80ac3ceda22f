/** Saved views of the list: filters and order under a name, for oneself or for the workspace. */
import { ask } from "./confirmation.js";
import { buttonById, byId, dialogById, field, findField, formById, messageOf, query, send } from "./page.js";
import { toast, toastLater } from "./toast.js";
import { gettext } from "./translations.js";

const PATH = "/api/executions/views/";

/** @param {() => string} filters the query of the list */
export function followViews(filters) {
  const dialog = dialogById("view-dialog");
  const form = formById("view-form");
  buttonById("save-view").addEventListener("click", () => {
    byId("view-problem").hidden = true;
    form.reset();
    dialog.showModal();
  });
  query(dialog, "[data-close]").addEventListener("click", () => dialog.close());
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const workspace = findField(form, "workspace");
    const name = field(form, "name").value;
    try {
      await send("POST", PATH, {
        name,
        query: filters(),
        shared: findField(form, "shared")?.checked ?? false,
        ...(workspace && { workspace: workspace.value }),
      });
      toastLater(gettext("View “{name}” saved.", { name }));
      location.reload();
    } catch (error) {
      byId("view-problem").textContent = messageOf(error);
      byId("view-problem").hidden = false;
    }
  });
  document.addEventListener("click", async ({ target }) => {
    const button = target instanceof Element ? target.closest("[data-delete-view]") : null;
    if (!(button instanceof HTMLElement)) return;
    const { name = "", deleteView } = button.dataset;
    const text = gettext("A shared view disappears for all members. Executions are not touched.");
    const title = gettext("Delete the view “{name}”?", { name });
    if (!await ask({ title, text, verb: gettext("Delete view"), danger: true })) return;
    try {
      await send("DELETE", `${PATH}${deleteView}/`);
      button.closest(".view")?.remove();
      toast(gettext("View “{name}” deleted.", { name }));
    } catch (error) {
      toast(messageOf(error), "failed");
    }
  });
}
