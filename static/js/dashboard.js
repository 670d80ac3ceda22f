import { EventStream, showConnection } from "./event_stream.js";
import { by, data, element } from "./page.js";

const STATUSES = { queued: "queued", started: "running", resumed: "running", recovered: "running", waiting: "waiting", paused: "paused", completed: "completed", failed: "failed", cancelled: "cancelled", timed_out: "timed_out" };
const LISTED = 50;
const body = by("executions");

function take(event) {
  const status = STATUSES[event.type.replace("execution.", "")];
  if (!status) return;
  let row = body.querySelector(`[data-id="${event.execution_id}"]`);
  if (!row && event.type === "execution.queued") {
    row = element("tr", { "data-id": event.execution_id },
      element("td", {}, element("span", { class: "status" })),
      element("td", {}, element("a", { href: `/executions/${event.execution_id}/` }, event.data.workflow_name)),
      element("td", { class: "wide" }, event.data.trigger), element("td", { class: "wide mono" }, event.execution_id),
      element("td", {}, new Date(event.time).toISOString().slice(11, 19)));
    body.prepend(row);
    while (body.children.length > LISTED) body.lastElementChild.remove();
  }
  if (!row) return;
  const badge = row.querySelector(".status");
  badge.dataset.status = badge.textContent = status;
  row.hidden = Boolean(data.status) && data.status !== status;
  by("empty").hidden = body.children.length > 0;
}

const stream = new EventStream();
showConnection(stream);
stream.subscribe("executions", { after: data.head, onEvents: (events) => events.forEach(take) });
