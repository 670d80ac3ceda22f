/** The part of the account page that says what one is notified of: for all workspaces, for single ones, and muted ones. */
import { byId, closest, element, fetchJson, messageOf, query, send } from "./page.js";
import { toast } from "./toast.js";

/**
 * @typedef {{in_page: boolean, workflows: "own" | "all"}} Choices
 * @typedef {Choices & {workspace: string, name: string, inherited: boolean}} OfWorkspace
 * @typedef {Choices & {workspaces: OfWorkspace[], muted: {workflow: string, name: string}[]}} Preferences
 */
const PATH = "/api/account/notifications/";
const [LIKE_ALL, NOTHING] = ["", "nothing"];
/** @type {[string, string][]} */
const LEVELS = [
  ["own", "My workflows"],
  ["all", "All workflows"],
  [NOTHING, "Nothing"],
];

const root = byId("notifications");

/** Return the value of the select for choices. @param {Choices} choices */
const levelOf = ({ in_page, workflows }) => in_page ? workflows : NOTHING;

/** Return the choices of a level. @param {string} level */
const choicesOf = (level) => level === NOTHING ? { in_page: false } : { in_page: true, workflows: level };

/**
 * @param {string} label @param {string} level @param {string} workspace empty: all
 * @param {[string, string][]} levels
 */
function select(label, level, workspace, levels) {
  const options = levels.map(([value, text]) => {
    const option = element("option", { value }, text);
    option.selected = value === level;
    return option;
  });
  return element("label", {}, label, element("select", { "data-workspace": workspace }, ...options));
}

/** @param {Preferences} preferences */
function draw(preferences) {
  const general = select("In all workspaces", levelOf(preferences), "", LEVELS);
  /** @type {[string, string][]} */
  const levels = [[LIKE_ALL, "Like all workspaces"], ...LEVELS];
  const own = preferences.workspaces.length < 2
    ? []
    : preferences.workspaces.map((each) =>
      select(each.name, each.inherited ? LIKE_ALL : levelOf(each), each.workspace, levels)
    );
  query(root, "[data-choices]").replaceChildren(general, ...own);
  const muted = preferences.muted.map(({ workflow, name }) => {
    const unmute = { type: "button", class: "small", "data-unmute": workflow, "aria-label": `Unmute ${name}` };
    return element("li", {}, element("div", {}, name), element("button", unmute, "Unmute"));
  });
  query(root, "[data-muted]").hidden = muted.length === 0;
  query(root, "[data-muted] ul").replaceChildren(...muted);
}

/** Change preferences and show them. @param {object} body @param {string} done */
async function change(body, done) {
  const focused = document.activeElement instanceof HTMLSelectElement ? document.activeElement.dataset.workspace : null;
  try {
    draw(await send("PATCH", PATH, body));
    toast(done);
  } catch (error) {
    toast(messageOf(error), "failed");
  }
  if (typeof focused === "string") query(root, `[data-workspace="${focused}"]`).focus();
}

root.addEventListener("change", ({ target }) => {
  if (!(target instanceof HTMLSelectElement)) return;
  const { workspace = "" } = target.dataset;
  const choices = target.value === LIKE_ALL ? { inherit: true } : choicesOf(target.value);
  change(workspace ? { workspaces: [{ workspace, ...choices }] } : choices, "Notifications saved.");
});
root.addEventListener("click", (event) => {
  const button = closest(event, "[data-unmute]");
  if (!button) return;
  change({ unmute: [button.dataset.unmute] }, "Unmuted.").then(() => query(root, "select").focus());
});

fetchJson(PATH).then((preferences) => {
  draw(preferences);
  if (location.hash === "#notifications") root.scrollIntoView();
}, (error) => query(root, "[data-choices]").replaceChildren(messageOf(error)));
