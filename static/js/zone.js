/** The switch between local time and UTC in the bar. The templates load it on every page; it writes their times. */
import { inUtc, momentText, showUtc, writeMoments, zoneName, zones } from "./moments.js";
import { followTimeInputs } from "./time_inputs.js";
import { gettext } from "./translations.js";

const button = document.getElementById("zone");

function show() {
  if (!button) return;
  button.textContent = zoneName();
  button.title = inUtc()
    ? gettext("Times are in UTC. Switch to local time.")
    : gettext("Times are in local time ({zone}). Switch to UTC.", { zone: zoneName() });
  button.setAttribute("aria-label", button.title);
}

/** Say on paper what the page is, when it was printed, and in which zone its times are. */
function showPrinted() {
  const printed = document.getElementById("printed");
  const moment = momentText(new Date(), "full");
  if (printed) printed.textContent = `${location.href} · ${gettext("printed {moment}", { moment })}`;
}

addEventListener("beforeprint", showPrinted);
button?.addEventListener("click", () => showUtc(!inUtc()));
zones.addEventListener("change", show);
show();
writeMoments();
followTimeInputs();
