/** The pill that says how the page's connection is, with a tip that says it in words. */
import { by, element } from "./page.js";

const WORDS = {
  connecting: "What has happened so far is on its way.",
  live: "What happens shows here at once.",
  degraded: "Live messages are missing for the moment: events are fetched every few seconds. None is lost.",
  reconnecting: "The connection was lost and is tried again by itself. What happens meanwhile is fetched then, in order.",
  offline: "The server has ended the connection.",
};
const REASONS = {
  login: "You are no longer logged in. Log in again, here or in another tab: nothing is missed.",
  forbidden: "The server does not let this address open a connection.",
  not_found: "What this page shows does not exist any more, or is not yours to see.",
  too_many: "The server has as many connections as it takes. It is tried again more and more slowly.",
  restarting: "The server restarts. What happens meanwhile is fetched then, in order.",
  closed: "This page has ended the connection.",
};

/** @param {import("./event_stream.js").EventStream} connection */
export function showConnection(connection) {
  const [pill, tip] = [by("connection"), by("connection-tip")];
  const show = () => {
    const { state, why } = connection;
    const login = element("a", { href: `/login/?next=${encodeURIComponent(location.pathname + location.search)}` }, "log in again");
    pill.dataset.state = state;
    pill.replaceChildren(why === "login" ? login : state);
    pill.hidden = false;
    tip.textContent = REASONS[why] ?? WORDS[state];
  };
  connection.addEventListener("state", show);
  show();
}
