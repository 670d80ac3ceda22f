/** The pill that shows the state of the page's connection, with an explanation as a tooltip. */
import { byId } from "./page.js";
import { session } from "./session.js";
import { gettext } from "./translations.js";

/** @type {Record<string, string>} */
const WORDS = {
  connecting: gettext("connecting"),
  live: gettext("live"),
  degraded: gettext("degraded"),
  reconnecting: gettext("reconnecting"),
  offline: gettext("offline"),
};
/** @type {Record<string, string>} */
const STATES = {
  connecting: gettext("Loading what has happened so far."),
  live: gettext("Updates appear as they happen."),
  degraded: gettext("Live updates are interrupted. Events are fetched every few seconds; none are lost."),
  reconnecting: gettext("Connection lost. Reconnecting automatically; missed events are loaded in order."),
  offline: gettext("The server closed the connection."),
};
/** @type {Record<string, string>} */
const REASONS = {
  forbidden: gettext("The server rejects connections from this address."),
  not_found: gettext("This page no longer exists, or you no longer have access to it."),
  too_many: gettext("The server has reached its connection limit. Retrying at growing intervals."),
  restarting: gettext("The server is restarting. Missed events are loaded in order afterwards."),
  closed: gettext("This page closed the connection."),
};

/** @type {import("./event_stream.js").EventStream | undefined} */
let shown;

/** Return the connection that the page shows, if it has one: another module may use it for more streams. */
export const pageConnection = () => shown;

/** @param {import("./event_stream.js").EventStream} connection */
export function showConnection(connection) {
  shown = connection;
  const [pill, tip] = [byId("connection"), byId("connection-tip")];
  const show = () => {
    const { state, why } = connection;
    if (why === "login") session.expired();
    if (session.signedOut) return; // the session shows that
    pill.dataset.state = state;
    pill.replaceChildren(WORDS[state] ?? state);
    pill.hidden = false;
    tip.textContent = REASONS[why] ?? STATES[state];
  };
  connection.addEventListener("state", show);
  session.addEventListener("change", () => {
    if (!session.signedOut) connection.wake();
    show();
  });
  show();
}
