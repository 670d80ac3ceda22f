/** The page of one's own account. */
import { confirm, onSubmit } from "./forms.js";
import { byId, closest, field, findById, RequestError, send } from "./page.js";
import { refreshTimes } from "./times.js";
import { toast, toastLater } from "./toast.js";
import { gettext, ngettext } from "./translations.js";

const PATH = "/api/account/";

onSubmit("profile", async (form) => {
  const changed = emailInput().value.trim() !== emailInput().defaultValue;
  const body = {
    first_name: field(form, "first_name").value.trim(),
    last_name: field(form, "last_name").value.trim(),
    ...(changed && { email: emailInput().value.trim(), current_password: field(form, "current_password").value }),
  };
  await send("PATCH", PATH, body);
  toastLater(gettext("Profile saved."));
  location.reload();
});

onSubmit("preferences", async (form) => {
  const theme = field(form, "theme").value;
  const body = { theme, time_zone: field(form, "time_zone").value, language: field(form, "language").value };
  await send("PATCH", PATH, body);
  document.dispatchEvent(new Event("theme-saved")); // theme.js keeps no other choice
  toastLater(gettext("Preferences saved."));
  location.reload();
});

onSubmit("password", async (form) => {
  const password = field(form, "new_password").value;
  if (field(form, "again").value !== password) {
    throw new RequestError("", [{ field: "again", message: gettext("This is not the same password.") }]);
  }
  const result = await send("POST", `${PATH}password/`, {
    current_password: field(form, "current_password").value,
    new_password: password,
    end_tokens: field(form, "end_tokens").checked,
  });
  const revoked = result.ended_api_tokens;
  const done = gettext("Password changed.");
  toastLater(
    revoked ? `${done} ${ngettext("{count} API token revoked.", "{count} API tokens revoked.", revoked)}` : done,
  );
  location.reload();
});

function emailInput() {
  return /** @type {HTMLInputElement} */ (byId("profile").querySelector("[name=email]"));
}

emailInput().addEventListener("input", () => {
  const changed = emailInput().value.trim() !== emailInput().defaultValue;
  byId("email-password").hidden = !changed;
  byId("email-password").querySelector("input")?.toggleAttribute("required", changed);
});

findById("end-all")?.addEventListener("click", () => {
  const words = {
    title: gettext("End all other sessions?"),
    text: gettext(
      "Every other browser and every API login is logged out. API tokens stay valid. You stay logged in here.",
    ),
    yes: gettext("End all others"),
  };
  confirm(words, async () => {
    await send("POST", `${PATH}end-sessions/`, { end_tokens: false });
    toastLater(gettext("All other sessions ended."));
    location.reload();
  });
});

document.addEventListener("click", (event) => {
  const button = closest(event, "[data-do=end]");
  const row = /** @type {HTMLElement | null} */ (button?.closest("[data-id]") ?? null);
  if (!button || !row) return;
  const { name = "" } = button.dataset;
  const words = {
    title: gettext("End this session?"),
    text: gettext("{name} is logged out at once, and its live pages stop.", { name }),
    yes: gettext("End session"),
  };
  confirm(words, async () => {
    await send("DELETE", `${PATH}sessions/${row.dataset.id}/`);
    row.remove();
    /** @type {HTMLDialogElement} */ (byId("confirm")).close();
    toast(gettext("Session ended: {name}.", { name }));
  });
});
refreshTimes();
