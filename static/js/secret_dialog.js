/** The dialog that shows a signing secret once. */
import { byId, copyText, dialogById, findById } from "./page.js";
import { toast, toastLater } from "./toast.js";
import { gettext } from "./translations.js";

/**
 * Show a secret until the user confirms; then reload the page.
 * @param {any} endpoint
 * @param {string} then the message on the reloaded page
 * @param {string} [note]
 */
export function showSecret(endpoint, then, note = "") {
  const publicKey = endpoint.signing_secrets?.[0]?.public_key;
  byId("secret-about").textContent = publicKey
    ? gettext("This key signs each delivery. Receivers only need the public key below.")
    : gettext("Receivers use this secret to verify the signature of each delivery.");
  byId("secret-value").textContent = endpoint.secret;
  byId("secret-note").textContent = note;
  byId("public-part").hidden = !publicKey;
  byId("public-value").textContent = publicKey ?? "";
  const dialog = dialogById("secret");
  dialog.showModal();
  dialog.addEventListener("close", () => {
    byId("secret-value").textContent = "";
    toastLater(then);
    location.reload();
  }, { once: true });
}

async function copySecret() {
  const secret = byId("secret-value");
  if (await copyText(secret.textContent)) return toast(gettext("Secret copied."));
  getSelection()?.selectAllChildren(secret);
  toast(
    gettext("Your browser blocked access to the clipboard. The secret is selected: copy it with Ctrl+C."),
    "failed",
  );
}

findById("secret-copy")?.addEventListener("click", copySecret);
findById("secret")?.addEventListener("cancel", (event) => event.preventDefault()); // Escape would lose it
