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

const PATH = `/api/workspaces/${data.workspace}/`;
/** @type {Record<string, string>} */
const EMAILS = {
  sent: "We sent it by email, too.",
  failed: "The email could not be sent: pass the link on yourself.",
  not_configured: "This installation sends no email: pass the link on yourself.",
  no_address: "Pass it on to the person.",
};

/** @param {string} message */
function reload(message) {
  toastLater(message);
  location.reload();
}

/** Show the link of an invitation. @param {any} invitation */
function showLink(invitation) {
  const name = invitation.email || invitation.username;
  byId("secret-about").textContent = `For ${name}, as ${invitation.role}. ${EMAILS[invitation.email_sent] ?? ""}`;
  showOnce(invitation.link, () => reload(`Invitation for ${name} created.`));
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
  reload("Workspace renamed.");
});

onSubmit("deletion-form", async (form) => {
  await send("POST", `${PATH}deletion/`, { name: field(form, "name").value.trim() });
  toastLater(`${data.name} is deleted. Its contents are being removed.`);
  location.assign("/workspaces/");
});

/** Ask for the name of the workspace, and show what is deleted with it. */
async function openDeletion() {
  openForm("deletion");
  const list = byId("deletion-contents");
  try {
    /** @type {{contents: {what: string, count: number, more: boolean}[]}} */
    const { contents } = await fetchJson(`${PATH}deletion/`);
    const lines = contents.map(({ what, count, more }) => `${number(count)}${more ? "+" : ""} ${what}`);
    list.replaceChildren(
      ...(lines.length ? lines : ["Nothing but its members"]).map((text) => element("li", {}, text)),
    );
  } catch (error) {
    list.replaceChildren(element("li", {}, messageOf(error)));
  }
  list.setAttribute("aria-busy", "false");
}

onSubmit("hand-over-form", async (form) => {
  await send("POST", `${PATH}hand-over/`, { member: Number(field(form, "member").value) });
  reload("Workspace handed over. You are an editor now.");
});

/** Give a member another role; admins decide about their own with a confirmation. @param {HTMLSelectElement} select */
function changeRole(select) {
  const { id = "" } = /** @type {HTMLElement | null} */ (select.closest("[data-id]"))?.dataset ?? {};
  const { name = "", role: before = "" } = select.dataset;
  const change = async () => {
    await send("PATCH", `${PATH}members/${id}/`, { role: select.value });
    if ("self" in select.dataset) return reload(`You are ${select.value} now.`);
    select.dataset.role = select.value;
    toast(`${name} is ${select.value} now.`);
  };
  if (!("self" in select.dataset)) {
    return void change().catch((error) => {
      select.value = before;
      toast(messageOf(error), "failed");
    });
  }
  dialogById("confirm").addEventListener("close", () => select.value = before, { once: true });
  const text = "You can no longer manage members and invitations. Only another admin can change that.";
  confirm({ title: `Become ${select.value}?`, text, yes: `Become ${select.value}` }, change);
}

/** @type {Record<string, (id: string, name: string) => void>} */
const ACTIONS = {
  remove: (id, name) =>
    confirm({
      title: `Remove ${name}?`,
      text: `${name} loses access at once. Pending invitations to ${name} are revoked.`,
      yes: "Remove",
    }, async () => {
      await send("DELETE", `${PATH}members/${id}/`);
      reload(`${name} removed.`);
    }),
  revoke: (id, name) =>
    confirm(
      { title: `Revoke the invitation of ${name}?`, text: "Its link stops working.", yes: "Revoke" },
      async () => {
        await send("DELETE", `${PATH}invitations/${id}/`);
        reload(`Invitation of ${name} revoked.`);
      },
    ),
  renew: (id, name) =>
    confirm({
      title: `Make a new link for ${name}?`,
      text: "The new link works for seven days. The earlier link stops working.",
      yes: "Make new link",
    }, async () => {
      const invitation = await send("POST", `${PATH}invitations/${id}/renew/`);
      dialogById("confirm").close();
      showLink(invitation);
    }),
  leave: () =>
    confirm({ title: `Leave ${data.name}?`, text: "You lose access to everything in it.", yes: "Leave" }, async () => {
      await send("DELETE", `${PATH}members/me/`);
      toastLater(`You left ${data.name}.`);
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
