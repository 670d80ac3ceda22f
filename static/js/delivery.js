/** The page of a delivery: follows it until it has ended. */
import { nameWorkflows } from "./names.js";
import { by, data, send } from "./page.js";
import { showPayloads } from "./payloads.js";
import { tell } from "./times.js";
import { toast } from "./toast.js";

const SOON = 1000; // ms
const LATER = 5000; // ms: while the next attempt is more than a minute away
const PATH = `/api/webhooks/deliveries/${data.id}/`;
let shown = "";
let timer = 0;

const here = () => by("delivery");

/** Put the page's part as it is now in the place of the old one; what was opened stays open, and so does the focus. */
function show(text) {
  if (text === shown) return;
  shown = text;
  const fresh = new DOMParser().parseFromString(text, "text/html").getElementById("delivery");
  for (const old of here().querySelectorAll("details[id]")) {
    const same = fresh.querySelector(`#${CSS.escape(old.id)}`);
    if (same) same.open = old.open;
  }
  if (fresh.dataset.statusNow !== here().dataset.statusNow) by("said").textContent = `The delivery is ${fresh.dataset.statusNow}.`;
  const focused = document.activeElement?.id;
  here().replaceWith(fresh);
  if (focused) by(focused)?.focus();
  settle();
}

function settle() {
  showPayloads();
  nameWorkflows();
  tell();
}

async function look() {
  clearTimeout(timer);
  if (!document.hidden) {
    const answer = await fetch(`/webhooks/deliveries/${data.id}/state/`).catch(() => null);
    if (answer?.ok) show(await answer.text());
    else if (answer?.status === 404) return;
  }
  plan();
}

function plan() {
  clearTimeout(timer);
  if ("ended" in here().dataset) return;
  const away = here().dataset.statusNow === "pending" && Date.parse(here().dataset.due) - Date.now() > 60_000;
  timer = setTimeout(look, away ? LATER : SOON);
}

async function act(button, kind, said) {
  button.disabled = true;
  try {
    await send("POST", `${PATH}${kind}/`, {});
    toast(said);
  } catch (error) {
    toast(error.message, "failed");
  }
  await look();
}

document.addEventListener("click", ({ target }) => {
  const button = target.closest("#cancel, #redeliver");
  if (button?.id === "cancel") act(button, "cancel", "It is cancelled.");
  if (button?.id === "redeliver") act(button, "redeliver", "It is sent again.");
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && !("ended" in here().dataset)) look();
});
settle();
plan();
