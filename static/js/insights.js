/** The insights: applied, taken back and dismissed here. */
import { ask } from "./confirmation.js";
import { messageOf, send } from "./page.js";
import { refresher } from "./refresh.js";
import { toast } from "./toast.js";
import { gettext } from "./translations.js";

const PAUSE = 400; // ms between requests
const refresh = refresher("insights", PAUSE);

/** What is asked before, and said after. @type {Record<string, {title?: string, verb?: string, done: string}>} */
const ACTIONS = {
  apply: {
    title: gettext("Save this change as a new version?"),
    verb: gettext("Apply"),
    done: gettext("Applied. Later executions show whether it helped."),
  },
  undo: {
    title: gettext("Save a new version without this change?"),
    verb: gettext("Undo"),
    done: gettext("Undone."),
  },
  dismiss: { done: gettext("Dismissed.") },
};

const automatic = document.querySelector("form#automatic");
automatic?.addEventListener("change", async () => {
  if (!(automatic instanceof HTMLFormElement)) return;
  const kinds = new FormData(automatic).getAll("kind");
  try {
    await send("PUT", `/api/workspaces/${automatic.dataset.workspace}/automatic-advice/`, { kinds });
    toast(kinds.length ? gettext("Automatic advice is on.") : gettext("Automatic advice is off."));
  } catch (error) {
    toast(messageOf(error), "failed");
  }
});

document.addEventListener("click", async (event) => {
  const button = event.target instanceof Element ? event.target.closest("button[data-do]") : null;
  const insight = button?.closest("[data-insight]");
  if (!(button instanceof HTMLButtonElement) || !(insight instanceof HTMLElement)) return;
  const name = button.dataset.do ?? "";
  const { title, verb, done } = ACTIONS[name];
  const text = insight.closest("article")?.querySelector("pre")?.textContent ?? "";
  if (title && verb && !(await ask({ title, text, verb, danger: false }))) return;
  button.disabled = true;
  try {
    await send("POST", `/api/insights/${insight.dataset.insight}/${name}/`);
    toast(done);
  } catch (error) {
    toast(messageOf(error), "failed");
    button.disabled = false;
  }
  refresh();
});
