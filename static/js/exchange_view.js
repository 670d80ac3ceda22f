/** What a node run sent to another system and what came back. */
import { DataView } from "./data_view.js";
import { read } from "./exact_json.js";
import { element, number, size } from "./page.js";
import { copyAndTell } from "./toast.js";
import { gettext, language, ngettext } from "./translations.js";

const MAX_SHOWN = 50;
const SHOWN_DIGEST = 12; // characters

/** @import { Exchange, Message } from "./types.js" */

/**
 * Return a message: of HTTP with its address or status, headers and body, of other systems as data.
 * @param {Message} message
 * @param {string} label
 */
export function messageView(message, label) {
  const { method, url, status, headers, body, bytes, truncated, ...data } = message;
  const first = method
    ? `${method} ${url}`
    : headers && status !== undefined
    ? gettext("Status {status}", { status })
    : "";
  const parts = [];
  if (first) parts.push(element("p", { class: "mono first-line" }, first));
  if (headers && Object.keys(headers).length) {
    const lines = Object.entries(headers).map(([name, value]) =>
      element(
        "div",
        {},
        element("dt", {}, name),
        element("dd", {}, Array.isArray(value) ? value.join(", ") : String(value)),
      )
    );
    const summary = element("summary", {}, ngettext("{count} header", "{count} headers", lines.length));
    parts.push(element("details", { class: "headers" }, summary, element("dl", {}, ...lines)));
  }
  if (!headers) parts.push(new DataView(status === undefined ? data : { status, ...data }, { label }).root);
  if (headers || body) parts.push(...bodyView(body, bytes, label));
  if (truncated && body) {
    parts.push(element("small", { class: "rest" }, gettext("The body is cut: only its beginning is kept.")));
  }
  return element("div", { class: "message" }, ...parts);
}

/** @param {string | null | undefined} body @param {number | undefined} bytes @param {string} label */
function bodyView(body, bytes, label) {
  if (body === null || body === undefined || body === "") {
    const text = bytes
      ? gettext("The body, {size}, is a file or no text: it is not kept here.", { size: size(bytes) })
      : gettext("No body");
    return [element("p", { class: "muted" }, text)];
  }
  try {
    const value = read(body);
    if (value !== null && typeof value === "object") {
      return [new DataView(value, { label: gettext("body {label}", { label }) }).root];
    }
  } catch {
    // Not JSON, or cut: the text is shown.
  }
  return [element("pre", { class: "json-text", tabindex: "0" }, body)];
}

/**
 * Return the exchanges of a node run; nothing if there are none.
 * @param {{ count: number, exchanges: Exchange[] } | null} exchange
 * @param {string | null} digest of all requests
 * @returns {HTMLElement[]}
 */
export function exchangesView(exchange, digest) {
  if (!exchange) return [];
  const { count, exchanges } = exchange;
  /** @type {HTMLElement[]} */
  const entries = exchanges.slice(0, MAX_SHOWN).map((each, index) => entryView(each, index === 0));
  const rest = count - entries.length;
  if (rest > 0) {
    const text = gettext("{count} more are not kept", { count: number(rest) });
    entries.push(element("small", { class: "rest" }, text));
  }
  const head = element(
    "h3",
    {},
    gettext("Sent and received"),
    element("small", {}, ngettext("{count} request", "{count} requests", count)),
  );
  return [head, ...entries, ...digestView(gettext("Request digest"), digest)];
}

/** @param {Exchange} each @param {boolean} open */
function entryView(each, open) {
  const { request, answer, error } = each;
  const what = request.method
    ? `${request.method} ${request.url}`
    : request.query ?? request.subject ?? request.endpoint;
  const outcome = error ? gettext("no response") : String(
    answer?.status ??
      (answer?.rows !== undefined ? ngettext("{count} rows", "{count} rows", answer.rows) : gettext("sent")),
  );
  const attempt = gettext("attempt {number}", { number: each.attempt });
  const summary = element(
    "summary",
    {},
    element("b", {}, gettext("Item {number}", { number: each.item })),
    element("span", { class: "mono" }, String(what ?? gettext("request")).slice(0, 200)),
    element("small", {}, each.attempt > 1 ? `${outcome} · ${attempt}` : outcome),
  );
  const details = element("details", { class: "exchange" }, summary);
  const fill = () => {
    details.append(
      element("h4", {}, gettext("Sent")),
      messageView(request, gettext("sent")),
      element("h4", {}, gettext("Received")),
    );
    if (answer) details.append(messageView(answer, gettext("received")));
    else details.append(element("p", { class: "error" }, error ?? gettext("Nothing was received.")));
  };
  if (open) {
    fill();
    details.open = true;
  } else details.addEventListener("toggle", fill, { once: true });
  return details;
}

/** Return a digest with a button that copies it; nothing if there is none. @param {string} label @param {string | null} digest */
export function digestView(label, digest) {
  if (!digest) return [];
  const named = language === "en" ? label.toLowerCase() : label;
  const title = gettext("Copy {label} {digest}", { label: named, digest });
  const attributes = { type: "button", class: "link mono", title };
  const copy = element("button", attributes, `${digest.slice(0, SHOWN_DIGEST)}…`);
  copy.addEventListener("click", () => copyAndTell(digest, gettext("Digest copied.")));
  return [element("p", { class: "digest" }, `${label} `, copy)];
}
