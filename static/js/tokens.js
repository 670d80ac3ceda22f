/** The page of API tokens. */
import { confirm, onSubmit, openForm, showOnce } from "./forms.js";
import { byId, closest, dialogById, field, send } from "./page.js";
import { refreshTimes } from "./times.js";
import { toastLater } from "./toast.js";
import { gettext } from "./translations.js";

const PATH = "/api/tokens/";
const DAY = 86_400_000; // ms

onSubmit("form", async (form) => {
  const days = Number(field(form, "expires_at").value);
  const token = await send("POST", PATH, {
    name: field(form, "name").value.trim(),
    scopes: [field(form, "scopes").value],
    ...(days && { expires_at: new Date(Date.now() + days * DAY).toISOString() }),
  });
  dialogById("edit").close();
  showOnce(token.token, () => {
    toastLater(gettext("Token {name} created.", { name: token.name }));
    location.reload();
  });
});

byId("new").addEventListener("click", () => openForm("edit"));

document.addEventListener("click", (event) => {
  const button = closest(event, "[data-do=revoke]");
  const row = /** @type {HTMLElement | null} */ (button?.closest("[data-id]") ?? null);
  if (!button || !row) return;
  const { name = "" } = button.dataset;
  const words = {
    title: gettext("Revoke {name}?", { name }),
    text: gettext("Programs that use it are refused at once, and their open connections close. You can't undo this."),
    yes: gettext("Revoke token"),
  };
  confirm(words, async () => {
    await send("DELETE", `${PATH}${row.dataset.id}/`);
    toastLater(gettext("Token {name} revoked.", { name }));
    location.reload();
  });
});
refreshTimes();
