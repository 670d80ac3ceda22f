/** The switch between local time and UTC in the bar. The templates load it on every page; it writes their times. */
import { inUtc, momentText, showUtc, writeMoments, zoneName, zones } from "./moments.js";
import { followTimeInputs } from "./time_inputs.js";

const button = document.getElementById("zone");

function show() {
  if (!button) return;
  button.textContent = zoneName();
  const other = inUtc() ? "local time" : "UTC";
  button.title = `Times are in ${inUtc() ? "UTC" : `local time (${zoneName()})`}. Switch to ${other}.`;
  button.setAttribute("aria-label", button.title);
}

/** Say on paper what the page is, when it was printed, and in which zone its times are. */
function showPrinted() {
  const printed = document.getElementById("printed");
  if (printed) printed.textContent = `${location.href} · printed ${momentText(new Date(), "full")}`;
}

addEventListener("beforeprint", showPrinted);
button?.addEventListener("click", () => showUtc(!inUtc()));
zones.addEventListener("change", show);
show();
writeMoments();
followTimeInputs();
