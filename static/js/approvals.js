/** The approvals: decided here, and brought anew whenever an execution begins or ceases to wait. */
import { showConnection } from "./connection.js";
import { onDecision } from "./decisions.js";
import { EventStream } from "./event_stream.js";
import { by, data } from "./page.js";
import { tell } from "./times.js";

const MATTERS = ["waiting", "resumed", "paused", "completed", "failed", "cancelled", "timed_out"].map((kind) => `execution.${kind}`);
const BETWEEN_REQUESTS = 400; // ms
let asking = false;
let again = false;

/** Bring the list as it is now; comments that are being written stay. */
async function refresh() {
  if (asking) return void (again = true);
  asking = true;
  again = false;
  try {
    const answer = await fetch(location.href);
    if (answer.ok) merge(new DOMParser().parseFromString(await answer.text(), "text/html"));
  } catch {
    again = true; // offline: asked for again below
  }
  setTimeout(() => {
    asking = false;
    if (again) refresh();
  }, BETWEEN_REQUESTS);
}

function merge(answer) {
  for (const form of by("approvals").querySelectorAll("form[data-decide]")) {
    const fresh = answer.querySelector(`form[data-decide="${form.dataset.decide}"]`);
    if (fresh && (form.elements.comment.value || form.contains(document.activeElement))) fresh.replaceWith(form);
  }
  const focused = document.activeElement;
  by("approvals").replaceWith(answer.getElementById("approvals"));
  by("approvals-count").replaceWith(answer.getElementById("approvals-count"));
  if (focused?.isConnected) focused.focus();
  tell();
}

onDecision(document, refresh);
const connection = new EventStream();
showConnection(connection);
connection.subscribe("executions", { after: data.head, types: MATTERS, onEvents: refresh });
tell();
