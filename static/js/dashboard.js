import { by } from "./page.js";
import { LiveList } from "./live_list.js";

const form = by("filters");
const query = () => new URLSearchParams([...new FormData(form)].filter(([, value]) => value)).toString();
const live = new LiveList(query);

function showSpan() {
  by("between").hidden = form.elements.range.value !== "between";
}

document.body.addEventListener("htmx:configRequest", ({ detail }) => {
  for (const [name, value] of Object.entries(detail.parameters)) if (value === "") delete detail.parameters[name];
});
document.body.addEventListener("htmx:afterSwap", () => live.read());
form.addEventListener("change", showSpan);
showSpan();
