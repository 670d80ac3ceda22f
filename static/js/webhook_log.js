/** The logs of webhooks: filters that live in the address, and a first page that stays fresh while it is looked at. */
import "./hours.js";
import { nameWorkflows } from "./names.js";
import { by } from "./page.js";
import { showPayloads } from "./payloads.js";
import { tell } from "./times.js";

const BETWEEN_LOOKS = 3000; // ms
const form = by("filters");

function settle() {
  nameWorkflows();
  tell();
}

function showSpan() {
  if (by("between")) by("between").hidden = form.elements.range.value !== "between";
}

/** Bring the list as it is now, unless somebody is in it, or has turned a page. */
async function refresh() {
  const list = by("list");
  if (document.hidden || document.querySelector("dialog[open]") || list.contains(document.activeElement)) return;
  if (!JSON.parse(by("list-data").textContent).newest) return;
  const address = location.href;
  const answer = await fetch(address).catch(() => null);
  if (!answer?.ok || address !== location.href) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("list");
  if (!fresh || list !== by("list") || list.contains(document.activeElement)) return;
  const known = new Set([...list.querySelectorAll("[data-id]")].map((row) => row.dataset.id));
  for (const row of fresh.querySelectorAll("[data-id]")) if (known.size && !known.has(row.dataset.id)) row.classList.add("fresh");
  list.replaceWith(fresh);
  settle();
}

if (form) {
  document.body.addEventListener("htmx:configRequest", ({ detail }) => {
    for (const [name, value] of Object.entries(detail.parameters)) if (value === "") delete detail.parameters[name];
  });
  document.body.addEventListener("htmx:afterSwap", settle);
  form.addEventListener("change", () => {
    showSpan();
    if (!form.hasAttribute("hx-get")) form.requestSubmit();
  });
  showSpan();
}
if (by("list-data")) setInterval(refresh, BETWEEN_LOOKS);
showPayloads();
settle();
