/** The list of one's workspaces. */
import { onSubmit, openForm } from "./forms.js";
import { byId, field, send } from "./page.js";
import { toastLater } from "./toast.js";
import { gettext } from "./translations.js";

onSubmit("form", async (form) => {
  const workspace = await send("POST", "/api/workspaces/", { name: field(form, "name").value.trim() });
  await send("PATCH", "/api/account/", { default_workspace: workspace.id });
  toastLater(gettext("{name} created. The pages show it now.", { name: workspace.name }));
  location.assign(`/workspaces/${workspace.id}/`);
});

byId("new").addEventListener("click", () => openForm("edit"));
