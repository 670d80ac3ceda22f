/** The page of a workspace: its members, invitations and name. */
import { confirm, onSubmit, openForm, showOnce } from "./forms.js";
import {
  byId,
  closest,
  data,
  dialogById,
  element,
  fetchJson,
  field,
  findById,
  messageOf,
  number,
  RequestError,
  send,
} from "./page.js";
import { toast, toastLater } from "./toast.js";
import { gettext, ngettext } from "./translations.js";

const PATH = `/api/workspaces/${data.workspace}/`;
/** @type {Record<string, string>} */
const EMAILS = {
  sent: gettext("We sent it by email, too."),
  failed: gettext("The email could not be sent: pass the link on yourself."),
  not_configured: gettext("This installation sends no email: pass the link on yourself."),
  no_address: gettext("Pass it on to the person."),
};

/** @type {Record<string, string>} */
const ROLES = { viewer: gettext("viewer"), editor: gettext("editor"), admin: gettext("admin") };

/** @param {string} role */
const roleText = (role) => ROLES[role] ?? role;

/** @type {[string, (number: number, count: string) => string][]} by the beginning of what the API names */
const CONTENTS = [
  ["workflow", (number, count) => ngettext("{count} workflow", "{count} workflows", number, { count })],
  ["execution", (number, count) => ngettext("{count} execution", "{count} executions", number, { count })],
  ["credential", (number, count) => ngettext("{count} credential", "{count} credentials", number, { count })],
  ["saved view", (number, count) => ngettext("{count} saved view", "{count} saved views", number, { count })],
  ["endpoint", (number, count) => ngettext("{count} endpoint", "{count} endpoints", number, { count })],
  ["deliver", (number, count) => ngettext("{count} delivery", "{count} deliveries", number, { count })],
  [
    "inbound request",
    (number, count) => ngettext("{count} inbound request", "{count} inbound requests", number, { count }),
  ],
];

/** @param {string} what @param {number} number @param {string} count */
const contentText = (what, number, count) =>
  CONTENTS.find(([name]) => what.startsWith(name))?.[1](number, count) ?? `${count} ${what}`;

/** @param {string} message */
function reload(message) {
  toastLater(message);
  location.reload();
}

/** Show the link of an invitation. @param {any} invitation */
function showLink(invitation) {
  const name = invitation.email || invitation.username;
  const about = gettext("For {name}, as {role}.", { name, role: roleText(invitation.role) });
  byId("secret-about").textContent = `${about} ${EMAILS[invitation.email_sent] ?? ""}`;
  showOnce(invitation.link, () => reload(gettext("Invitation for {name} created.", { name })));
}

onSubmit("form", async (form) => {
  const addressee = field(form, "addressee").value.trim();
  const kind = addressee.includes("@") ? "email" : "username";
  try {
    const role = field(form, "role").value;
    const invitation = await send("POST", `${PATH}invitations/`, { [kind]: addressee, role });
    dialogById("edit").close();
    showLink(invitation);
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    const errors = error.errors.map((each) => each.field === kind ? { ...each, field: "addressee" } : each);
    throw new RequestError(error.message, errors);
  }
});

onSubmit("rename", async (form) => {
  await send("PATCH", PATH, { name: field(form, "name").value.trim() });
  reload(gettext("Workspace renamed."));
});

onSubmit("deletion-form", async (form) => {
  await send("POST", `${PATH}deletion/`, { name: field(form, "name").value.trim() });
  toastLater(gettext("{name} is deleted. Its contents are being removed.", { name: data.name }));
  location.assign("/workspaces/");
});

/** Ask for the name of the workspace, and show what is deleted with it. */
async function openDeletion() {
  openForm("deletion");
  const list = byId("deletion-contents");
  try {
    /** @type {{contents: {what: string, count: number, more: boolean}[]}} */
    const { contents } = await fetchJson(`${PATH}deletion/`);
    const lines = contents.map(({ what, count, more }) =>
      contentText(what, count, `${number(count)}${more ? "+" : ""}`)
    );
    list.replaceChildren(
      ...(lines.length ? lines : [gettext("Nothing but its members")]).map((text) => element("li", {}, text)),
    );
  } catch (error) {
    list.replaceChildren(element("li", {}, messageOf(error)));
  }
  list.setAttribute("aria-busy", "false");
}

onSubmit("hand-over-form", async (form) => {
  await send("POST", `${PATH}hand-over/`, { member: Number(field(form, "member").value) });
  reload(gettext("Workspace handed over. You are an editor now."));
});

/** Give a member another role; admins decide about their own with a confirmation. @param {HTMLSelectElement} select */
function changeRole(select) {
  const { id = "" } = /** @type {HTMLElement | null} */ (select.closest("[data-id]"))?.dataset ?? {};
  const { name = "", role: before = "" } = select.dataset;
  const change = async () => {
    await send("PATCH", `${PATH}members/${id}/`, { role: select.value });
    if ("self" in select.dataset) return reload(gettext("You are {role} now.", { role: roleText(select.value) }));
    select.dataset.role = select.value;
    toast(gettext("{name} is {role} now.", { name, role: roleText(select.value) }));
  };
  if (!("self" in select.dataset)) {
    return void change().catch((error) => {
      select.value = before;
      toast(messageOf(error), "failed");
    });
  }
  dialogById("confirm").addEventListener("close", () => select.value = before, { once: true });
  const text = gettext("You can no longer manage members and invitations. Only another admin can change that.");
  const role = roleText(select.value);
  confirm({ title: gettext("Become {role}?", { role }), text, yes: gettext("Become {role}", { role }) }, change);
}

/** @type {Record<string, (id: string, name: string) => void>} */
const ACTIONS = {
  remove: (id, name) =>
    confirm({
      title: gettext("Remove {name}?", { name }),
      text: gettext("{name} loses access at once. Pending invitations to {name} are revoked.", { name }),
      yes: gettext("Remove"),
    }, async () => {
      await send("DELETE", `${PATH}members/${id}/`);
      reload(gettext("{name} removed.", { name }));
    }),
  revoke: (id, name) =>
    confirm(
      {
        title: gettext("Revoke the invitation of {name}?", { name }),
        text: gettext("Its link stops working."),
        yes: gettext("Revoke"),
      },
      async () => {
        await send("DELETE", `${PATH}invitations/${id}/`);
        reload(gettext("Invitation of {name} revoked.", { name }));
      },
    ),
  renew: (id, name) =>
    confirm({
      title: gettext("Make a new link for {name}?", { name }),
      text: gettext("The new link works for seven days. The earlier link stops working."),
      yes: gettext("Make new link"),
    }, async () => {
      const invitation = await send("POST", `${PATH}invitations/${id}/renew/`);
      dialogById("confirm").close();
      showLink(invitation);
    }),
  leave: () =>
    confirm({
      title: gettext("Leave {name}?", { name: data.name }),
      text: gettext("You lose access to everything in it."),
      yes: gettext("Leave"),
    }, async () => {
      await send("DELETE", `${PATH}members/me/`);
      toastLater(gettext("You left {name}.", { name: data.name }));
      location.assign("/workspaces/");
    }),
};

document.addEventListener("click", (event) => {
  const button = closest(event, "[data-do]");
  const row = /** @type {HTMLElement | null} */ (button?.closest("[data-id]") ?? null);
  if (button) ACTIONS[button.dataset.do ?? ""]?.(row?.dataset.id ?? "", button.dataset.name ?? "");
});
document.addEventListener("change", (event) => {
  if (event.target instanceof HTMLSelectElement && event.target.matches(".role")) changeRole(event.target);
});
findById("invite")?.addEventListener("click", () => openForm("edit"));
findById("deletion-open")?.addEventListener("click", openDeletion);
findById("hand-over-open")?.addEventListener("click", () => openForm("hand-over"));
