/** The requests that came to the test URLs of a workflow's webhook triggers, as they come. */
import { jsonView, preview } from "./json_view.js";
import { by, element, icon, send, size } from "./page.js";
import { tell } from "./times.js";
import { toast } from "./toast.js";

/** @typedef {{id: string, received_at: string, address: string?, accepted: boolean, status_code: number, reason: string,
 *             body_bytes: number, whole: boolean, item: any}} Tested */

export const TESTED = "workflow.hook_tested";
const LINE = 90; // characters of a body in the list

async function copy(text, said) {
  try {
    await navigator.clipboard.writeText(text);
    toast(said);
  } catch {
    toast("The browser did not let this page copy.", "failed");
  }
}

/** Take a request over as the input of a run. @param {Tested} request */
function use(request) {
  const input = by("input");
  input.value = JSON.stringify([request.item], null, 2);
  input.scrollIntoView({ block: "center", behavior: "smooth" });
  input.focus({ preventScroll: true });
  toast("The request is the input of the next run.");
}

/** @param {Tested} request */
function actions(request) {
  const copyButton = element("button", { type: "button", class: "small" }, icon("copy", 14), "Copy as JSON");
  copyButton.addEventListener("click", () => copy(JSON.stringify(request.item, null, 2), "The request was copied."));
  const made = element("div", { class: "row" }, copyButton);
  if (by("input") && request.whole) {
    const useButton = element("button", { type: "button", class: "small" }, icon("play", 14), "Use as input");
    useButton.addEventListener("click", () => use(request));
    made.append(useButton);
  }
  return made;
}

/** @param {string} title @param {any} value */
function part(title, value) {
  const empty = value === null || value === "" || (typeof value === "object" && Object.keys(value).length === 0);
  return [element("h3", {}, title), empty ? element("p", { class: "muted" }, "Nothing.") : jsonView(value)];
}

/** @param {Tested} request */
function row(request) {
  const { item } = request;
  const status = request.accepted ? "completed" : "failed";
  const summary = element("summary", {},
    element("span", { class: "status", "data-status": status }, String(request.status_code)),
    element("b", {}, item.method),
    element("span", { class: "clip" }, request.accepted ? preview(item.body, LINE) : request.reason),
    element("time", { datetime: request.received_at, "data-ago": "" }));
  const made = element("details", { "data-id": request.id }, summary);
  made.addEventListener("toggle", () => {
    const cut = request.whole ? [] : [element("p", { class: "notice", "data-status": "waiting" }, "The beginning of the body is kept.")];
    made.append(element("div", { class: "opened" },
      ...(request.reason ? [element("p", { class: "notice", "data-status": status }, request.reason)] : []),
      element("p", { class: "muted" }, `From ${request.address ?? "an unknown address"}, ${size(request.body_bytes)}.`),
      ...part("Body", item.body), ...cut, ...part("Query", item.query), ...part("Headers", item.headers), actions(request)));
  }, { once: true });
  return element("li", {}, made);
}

export class HookTests {
  /** @param {HTMLElement} list @param {string} workflow @param {Tested[]} requests */
  constructor(list, workflow, requests) {
    this.list = list;
    this.workflow = workflow;
    this.asking = this.again = false;
    this.show(requests, false);
    for (const button of document.querySelectorAll("[data-copy]")) button.addEventListener("click", () => copy(button.dataset.copy, "The URL was copied."));
  }

  /** Put in what is new, in its place; what is open stays open. */
  show(requests, fresh = true) {
    for (const request of [...requests].reverse()) {
      if (this.list.querySelector(`[data-id="${request.id}"]`)) continue;
      const made = row(request);
      if (fresh) made.classList.add("fresh");
      this.list.prepend(made);
    }
    while (this.list.children.length > Math.max(requests.length, 1)) this.list.lastElementChild.remove();
    by("hook-tests-empty").hidden = this.list.children.length > 0;
    tell();
  }

  /** Hear of events; one request at a time brings what they tell of. */
  async take(events) {
    if (!events.some((event) => event.type === TESTED)) return;
    this.again = true;
    if (this.asking) return;
    this.asking = true;
    while (this.again) {
      this.again = false;
      try {
        const { requests } = await send("GET", `/workflows/${this.workflow}/hook-requests/`);
        this.show(requests);
      } catch {
        // Offline: brought with the next event.
      }
    }
    this.asking = false;
  }
}
