/** What is done to many deliveries: first whom it meets and how many, then how far it has come. */
import { by, data, element, number, send } from "./page.js";
import { toast } from "./toast.js";

const OPERATIONS = "/api/webhooks/operations/";
const TYPING = 300; // ms
const BETWEEN_LOOKS = 700; // ms
const MOST_RECIPIENTS = 50;
const DAY = 86_400_000;

/** @typedef {{title: string, about: string, verb: string, done: string, danger?: boolean, spans: boolean, types: boolean, chooses?: boolean,
 *   path: string, body: Record<string, any>}} Plan */

const dialog = by("operation");
const form = dialog?.querySelector("form");
let plan = null;
let asked = 0;
let typing = 0;
/** The operation that runs, null before. */
let running = null;

const deliveries = (count) => `${count === 1 ? "delivery" : "deliveries"}`;
const asUtc = (text) => (text ? new Date(`${text}Z`).toISOString() : "");

function body(dry) {
  const made = { ...plan.body, dry_run: dry };
  if (plan.spans) {
    made.since = asUtc(form.elements.since.value);
    if (form.elements.until.value) made.until = asUtc(form.elements.until.value);
  }
  if (plan.chooses && form.elements.workspace) made.workspace = form.elements.workspace.value;
  const types = form.elements.event_types.value.split(/[\s,]+/).filter(Boolean);
  if (plan.types && types.length) made.event_types = types;
  return made;
}

function complain(text) {
  by("operation-problem").textContent = text;
  by("operation-problem").hidden = !text;
}

const verb = (count = "") => plan.verb.replace(" #", count && ` ${count}`);

/** @param {boolean} disabled */
function setFields(disabled) {
  for (const each of form.querySelectorAll("input, select")) each.disabled = disabled;
}

/** @param {Plan} next */
export function openOperation(next) {
  plan = next;
  running = null;
  form.reset();
  by("operation-title").textContent = plan.title;
  by("operation-about").textContent = plan.about;
  by("operation-span").hidden = !plan.spans;
  by("operation-types").hidden = !plan.types;
  if (by("operation-workspace")) by("operation-workspace").hidden = !plan.chooses;
  by("operation-progress").hidden = true;
  by("operation-count").hidden = false;
  by("operation-stop").hidden = true;
  by("operation-close").textContent = "Cancel";
  by("operation-go").hidden = false;
  by("operation-go").className = plan.danger ? "danger" : "primary";
  form.elements.since.value = new Date(Date.now() - DAY).toISOString().slice(0, 19);
  setFields(false);
  dialog.showModal();
  count();
}

/** Ask whom it would meet, without doing it. */
async function count() {
  asked += 1;
  const mine = asked;
  by("operation-go").disabled = true;
  by("operation-go").textContent = verb();
  by("operation-count").setAttribute("aria-busy", "true");
  complain("");
  try {
    const found = await send("POST", plan.path, body(true));
    if (mine === asked) showCount(found);
  } catch (error) {
    if (mine !== asked) return;
    by("operation-total").textContent = "–";
    by("operation-words").textContent = "could not be counted.";
    dialog.querySelector(".recipients").hidden = true;
    complain(error.errors?.map(({ field, message }) => `${field}: ${message}`).join(" ") || error.message);
  }
  by("operation-count").setAttribute("aria-busy", "false");
}

function showCount({ count: total, recipients }) {
  by("operation-total").textContent = number(total);
  by("operation-words").textContent = `${deliveries(total)}${recipients.length > 1 ? `, ${number(recipients.length)} recipients` : ""}`;
  const rows = recipients.slice(0, MOST_RECIPIENTS).map((each) => element("tr", {},
    element("td", {}, each.name), element("td", { class: "wide" }, element("code", { class: "breaks" }, each.url ?? "")), element("td", { class: "right number" }, number(each.count))));
  if (recipients.length > MOST_RECIPIENTS) rows.push(element("tr", {}, element("td", { colspan: "3" }, `and ${number(recipients.length - MOST_RECIPIENTS)} more`)));
  const table = dialog.querySelector(".recipients");
  table.tBodies[0].replaceChildren(...rows);
  table.hidden = !rows.length;
  by("operation-go").disabled = total === 0;
  by("operation-go").textContent = verb(total ? number(total) : "");
}

async function begin(event) {
  event.preventDefault();
  if (by("operation-go").disabled || running) return;
  by("operation-go").disabled = true;
  complain("");
  try {
    running = (await send("POST", plan.path, body(false))).operation;
  } catch (error) {
    complain(error.message);
    by("operation-go").disabled = false;
    return;
  }
  setFields(true);
  by("operation-go").hidden = true;
  by("operation-progress").hidden = false;
  by("operation-close").textContent = "Close";
  by("operation-close").focus();
  follow();
}

/** Show how far it has come, until it has ended or the dialog is closed; it goes on without. */
async function follow() {
  const mine = running.id;
  while (running?.id === mine && dialog.open) {
    show();
    if (running.state !== "running") break;
    await new Promise((resolve) => setTimeout(resolve, BETWEEN_LOOKS));
    try {
      const seen = await send("GET", `${OPERATIONS}${mine}/`);
      if (running?.id === mine) running = seen;
    } catch {
      // Offline: looked for again.
    }
  }
  if (running?.id === mine && running.state === "completed") toast(`${number(running.done)} ${deliveries(running.done)} ${plan.done}.`);
}

function show() {
  const { state, total, done, left_out: left, error } = running;
  const share = state === "completed" ? 100 : Math.min(100, (100 * (done + left)) / Math.max(1, total));
  const bar = by("operation-progress").querySelector(".track");
  bar.dataset.status = state;
  bar.setAttribute("aria-valuenow", String(Math.round(share)));
  bar.firstElementChild.style.width = `${share}%`;
  const rest = left ? `, ${number(left)} left out since they had changed` : "";
  const word = { running: "so far", completed: "done", cancelled: "until it was stopped", failed: "until it failed" }[state];
  by("operation-said").textContent = `${number(done)} of ${number(total)} ${plan.done}, ${word}${rest}.`;
  by("operation-stop").hidden = state !== "running";
  complain(error ?? "");
}

async function stop() {
  try {
    running = await send("POST", `${OPERATIONS}${running.id}/cancel/`);
    show();
  } catch (error) {
    complain(error.message);
  }
}

if (dialog) {
  form.addEventListener("submit", begin);
  form.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(count, TYPING);
  });
  by("operation-stop").addEventListener("click", stop);
  dialog.addEventListener("close", () => {
    asked += 1;
    if (running) location.reload();
  });
}

/** @param {string} id @param {string} name @returns {Plan} */
export const recoverPlan = (id, name) => ({
  title: `Recover ${name}`, verb: "Send # again", done: "sent again", spans: true, types: false, path: `/api/webhooks/endpoints/${id}/recover/`, body: {},
  about: "What has failed since then is sent again, each with the webhook-id that it had.",
});

/** @param {string} id @param {string} name @returns {Plan} */
export const replayPlan = (id, name) => ({
  title: `Replay to ${name}`, verb: "Send #", done: "sent", spans: true, types: true, path: `/api/webhooks/endpoints/${id}/replay/`, body: {},
  about: "The events of that time are sent to this endpoint as new deliveries, also those that it has had.",
});
