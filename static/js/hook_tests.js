/** The requests to the test URLs of a workflow's webhook triggers, shown as they arrive. */
import { write } from "./exact_json.js";
import { jsonView, preview } from "./json_view.js";
import { byId, element, fetchJson, findById, icon, size } from "./page.js";
import { refreshTimes, timeElement } from "./times.js";
import { copyAndTell, toast } from "./toast.js";
import { gettext } from "./translations.js";

/** @import { Envelope } from "./event_stream.js" */
/** @import { TestRequest } from "./types.js" */

export const TESTED = "workflow.hook_tested";
const PREVIEW = 90; // characters of a body in the list

const input = () => findById("input", HTMLTextAreaElement);

/** Copy a request into the input of the next run. @param {TestRequest} request @param {HTMLTextAreaElement} area */
function useAsInput(request, area) {
  area.value = write([request.item], 2);
  area.scrollIntoView({ block: "center", behavior: "smooth" });
  area.focus({ preventScroll: true });
  toast(gettext("The request is now the input of the next run."));
}

/** @param {TestRequest} request */
function actions(request) {
  const copy = element("button", { type: "button", class: "small" }, icon("copy", 14), gettext("Copy as JSON"));
  copy.addEventListener("click", () => copyAndTell(write(request.item, 2)));
  const row = element("div", { class: "row" }, copy);
  const area = input();
  if (area && request.whole) {
    const use = element("button", { type: "button", class: "small" }, icon("play", 14), gettext("Use as input"));
    use.addEventListener("click", () => useAsInput(request, area));
    row.append(use);
  }
  return row;
}

/** @param {string} title @param {any} value */
function part(title, value) {
  const empty = value === null || value === "" || (typeof value === "object" && Object.keys(value).length === 0);
  return [element("h3", {}, title), empty ? element("p", { class: "muted" }, gettext("Empty")) : jsonView(value)];
}

/** @param {TestRequest} request */
function details(request) {
  const { item, reason } = request;
  const status = request.accepted ? "completed" : "failed";
  const cut = element("p", { class: "notice", "data-status": "waiting" }, gettext("The body is truncated."));
  return element(
    "div",
    { class: "opened" },
    ...(reason ? [element("p", { class: "notice", "data-status": status }, reason)] : []),
    element(
      "p",
      { class: "muted" },
      gettext("From {address} · {size}", {
        address: request.address ?? gettext("an unknown address"),
        size: size(request.body_bytes),
      }),
    ),
    ...part(gettext("Body"), item.body),
    ...(request.whole ? [] : [cut]),
    ...part(gettext("Query"), item.query),
    ...part(gettext("Headers"), item.headers),
    actions(request),
  );
}

/** @param {TestRequest} request */
function row(request) {
  const { item } = request;
  const status = request.accepted ? "completed" : "failed";
  const summary = element(
    "summary",
    {},
    element("span", { class: "status", "data-status": status }, String(request.status_code)),
    element("b", {}, item.method),
    element("span", { class: "clip" }, request.accepted ? preview(item.body, PREVIEW) : request.reason),
    timeElement(request.received_at),
  );
  const entry = element("details", { "data-id": request.id }, summary);
  entry.addEventListener("toggle", () => entry.append(details(request)), { once: true });
  return element("li", {}, entry);
}

export class HookTests {
  #fetching = false;
  #due = false;

  /** @param {HTMLElement} list @param {string} workflow @param {TestRequest[]} requests */
  constructor(list, workflow, requests) {
    this.list = list;
    this.workflow = workflow;
    this.#show(requests, false);
    for (const button of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-copy]"))) {
      button.addEventListener("click", () => copyAndTell(button.dataset.copy ?? "", gettext("URL copied.")));
    }
  }

  /** Add new requests; open ones stay open. @param {TestRequest[]} requests @param {boolean} [fresh] */
  #show(requests, fresh = true) {
    for (const request of [...requests].reverse()) {
      if (this.list.querySelector(`[data-id="${request.id}"]`)) continue;
      const added = row(request);
      if (fresh) added.classList.add("fresh");
      this.list.prepend(added);
    }
    while (this.list.children.length > Math.max(requests.length, 1)) this.list.lastElementChild?.remove();
    byId("hook-tests-empty").hidden = this.list.children.length > 0;
    refreshTimes();
  }

  /** Fetch the requests that events report, one fetch at a time. @param {Envelope[]} events */
  async take(events) {
    if (!events.some((event) => event.type === TESTED)) return;
    this.#due = true;
    if (this.#fetching) return;
    this.#fetching = true;
    while (this.#due) {
      this.#due = false;
      try {
        const { requests } = await fetchJson(`/workflows/${this.workflow}/hook-requests/`);
        this.#show(requests);
      } catch {
        // Offline: the next event fetches them.
      }
    }
    this.#fetching = false;
  }
}
