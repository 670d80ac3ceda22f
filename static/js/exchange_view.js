/** What a node run sent to another system and what came back. */
import { DataView } from "./data_view.js";
import { read } from "./exact_json.js";
import { counted, element, number, size } from "./page.js";
import { copyAndTell } from "./toast.js";

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
  const first = method ? `${method} ${url}` : headers && status !== undefined ? `Status ${status}` : "";
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
    const summary = element("summary", {}, counted(lines.length, "header"));
    parts.push(element("details", { class: "headers" }, summary, element("dl", {}, ...lines)));
  }
  if (!headers) parts.push(new DataView(status === undefined ? data : { status, ...data }, { label }).root);
  if (headers || body) parts.push(...bodyView(body, bytes, label));
  if (truncated && body) {
    parts.push(element("small", { class: "rest" }, "The body is cut: only its beginning is kept."));
  }
  return element("div", { class: "message" }, ...parts);
}

/** @param {string | null | undefined} body @param {number | undefined} bytes @param {string} label */
function bodyView(body, bytes, label) {
  if (body === null || body === undefined || body === "") {
    const text = bytes ? `The body, ${size(bytes)}, is a file or no text: it is not kept here.` : "No body";
    return [element("p", { class: "muted" }, text)];
  }
  try {
    const value = read(body);
    if (value !== null && typeof value === "object") return [new DataView(value, { label: `body ${label}` }).root];
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
  if (rest > 0) entries.push(element("small", { class: "rest" }, `${number(rest)} more are not kept`));
  const head = element("h3", {}, "Sent and received", element("small", {}, counted(count, "request")));
  return [head, ...entries, ...digestView("Request digest", digest)];
}

/** @param {Exchange} each @param {boolean} open */
function entryView(each, open) {
  const { request, answer, error } = each;
  const what = request.method
    ? `${request.method} ${request.url}`
    : request.query ?? request.subject ?? request.endpoint;
  const outcome = error
    ? "no response"
    : String(answer?.status ?? (answer?.rows !== undefined ? `${answer.rows} rows` : "sent"));
  const summary = element(
    "summary",
    {},
    element("b", {}, `Item ${each.item}`),
    element("span", { class: "mono" }, String(what ?? "request").slice(0, 200)),
    element("small", {}, `${outcome}${each.attempt > 1 ? ` · attempt ${each.attempt}` : ""}`),
  );
  const details = element("details", { class: "exchange" }, summary);
  const fill = () => {
    details.append(element("h4", {}, "Sent"), messageView(request, "sent"), element("h4", {}, "Received"));
    if (answer) details.append(messageView(answer, "received"));
    else details.append(element("p", { class: "error" }, error ?? "Nothing was received."));
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
  const attributes = { type: "button", class: "link mono", title: `Copy ${label.toLowerCase()} ${digest}` };
  const copy = element("button", attributes, `${digest.slice(0, SHOWN_DIGEST)}…`);
  copy.addEventListener("click", () => copyAndTell(digest, "Digest copied."));
  return [element("p", { class: "digest" }, `${label} `, copy)];
}
