/** Where the time of an ended node run went: its waits, the phases of its outbound calls, and the rest. */
import { duration, element, size } from "./page.js";
import { gettext, ngettext } from "./translations.js";

/** @import { Run } from "./types.js" */

/** @type {Record<string, string>} in the order in which they are shown */
const WAITS = {
  pause_ms: gettext("between attempts"),
  turn_ms: gettext("worker busy"),
  sandbox_ms: gettext("waiting for a sandbox process"),
  credential_ms: gettext("waiting for the credential"),
  cache_ms: gettext("waiting for a cached result"),
};
/** @type {Record<string, string>} */
const PHASES = {
  dns_ms: "DNS",
  connect_ms: gettext("opening the connection"),
  tls_ms: "TLS",
  first_byte_ms: gettext("until the first byte"),
  transfer_ms: gettext("receiving the response"),
};
const NAMES = { ...WAITS, ...PHASES, own_ms: gettext("the node itself") };

/** @param {Run} run */
export function costView(run) {
  const whole = run.durationMs ?? 0;
  /** @type {Record<string, number>} */
  const spent = { ...run.cost?.waits, ...run.cost?.calls };
  const known = Object.keys({ ...WAITS, ...PHASES }).reduce((sum, name) => sum + (spent[name] ?? 0), 0);
  spent.own_ms = Math.max(0, whole - known);
  const parts = Object.entries(NAMES).filter(([name]) => spent[name] > 0);
  const heading = element("h3", {}, gettext("Where the time went"));
  const bar = element("div", { class: "cost-bar", "aria-hidden": "true" });
  const legend = element("ul", { class: "cost-legend" });
  for (const [name, label] of parts) {
    const drawn = element("i", { "data-part": name });
    drawn.style.flexGrow = String(spent[name]);
    bar.append(drawn);
    const share = gettext("{percent}%", { percent: Math.round((spent[name] / (whole || 1)) * 100) });
    const time = element("b", {}, duration(spent[name]));
    legend.append(element("li", { "data-part": name }, label, " ", time, " ", element("small", {}, share)));
  }
  const calls = callsText(run);
  return element("section", { class: "cost" }, heading, bar, legend, ...(calls ? [element("p", {}, calls)] : []));
}

/** Return the calls of a run as a sentence. @param {Run} run */
function callsText(run) {
  const { count = 0, repeated = 0, sent_bytes: sent = 0, received_bytes: received = 0 } = run.cost?.calls ?? {};
  if (!count) return "";
  const calls = ngettext("{count} outbound call", "{count} outbound calls", count, { count });
  const bytes = gettext("{sent} sent, {received} received", { sent: size(sent), received: size(received) });
  if (!repeated) return `${calls}: ${bytes}.`;
  const again = ngettext("{count} request was sent again", "{count} requests were sent again", repeated, {
    count: repeated,
  });
  return `${calls}: ${bytes}; ${again}.`;
}
