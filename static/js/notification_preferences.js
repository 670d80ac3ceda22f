/** The part of the account page that says what one is notified of: for all workspaces, for single ones, and muted ones. */
import { byId, closest, element, fetchJson, findById, messageOf, query, send } from "./page.js";
import { toast } from "./toast.js";
import { gettext } from "./translations.js";

/**
 * @typedef {{in_page: boolean, workflows: "own" | "all", email: string, emails: Record<string, string | null>}} Choices
 * @typedef {Choices & {workspace: string, name: string, inherited: boolean}} OfWorkspace
 * @typedef {Choices & {email_problem: "" | "no_address" | "not_configured", workspaces: OfWorkspace[], muted: {workflow: string, name: string}[]}} Preferences
 */
const PATH = "/api/account/notifications/";
const [LIKE_ALL, NOTHING] = ["", "nothing"];
/** @type {[string, string][]} */
const LEVELS = [
  ["own", gettext("My workflows")],
  ["all", gettext("All workflows")],
  [NOTHING, gettext("Nothing on the pages")],
];
/** @type {[string, string][]} */
const EMAILS = [["off", gettext("Never")], ["at_once", gettext("At once")], ["hourly", gettext("Once an hour")], [
  "daily",
  gettext("Once a day, at 08:00"),
]];
const LIKE_EMAIL = "";
/** @type {Record<string, string>} by kind */
const KINDS = {
  workflow_failed: gettext("A workflow begins to fail"),
  workflow_recovered: gettext("A workflow works again"),
  approval_waiting: gettext("An approval waits"),
  endpoint_disabled: gettext("An endpoint is disabled"),
};
const PROBLEMS = {
  "": "",
  no_address: gettext("No email is sent: your account has no email address."),
  not_configured: gettext("No email is sent: the platform has no mail server."),
};

const root = byId("notifications");

/** Return the value of the select for choices. @param {Choices} choices */
const levelOf = ({ in_page, workflows }) => in_page ? workflows : NOTHING;

/** Return the choices of a level. @param {string} level */
const choicesOf = (level) => level === NOTHING ? { in_page: false } : { in_page: true, workflows: level };

/**
 * @param {string} label @param {string} chosen @param {Record<string, string>} data of the select
 * @param {[string, string][]} values
 */
function select(label, chosen, data, values) {
  const options = values.map(([value, text]) => {
    const option = element("option", { value }, text);
    option.selected = value === chosen;
    return option;
  });
  return element("label", {}, label, element("select", data, ...options));
}

/** Return the fields of all workspaces, or of one. @param {string} label @param {string} workspace empty: all
 *  @param {Choices} choices @param {boolean} inherited */
function selects(label, workspace, choices, inherited) {
  const levels = workspace
    ? [/** @type {[string, string]} */ ([LIKE_ALL, gettext("Like all workspaces")]), ...LEVELS]
    : LEVELS;
  const level = select(label, inherited ? LIKE_ALL : levelOf(choices), { "data-workspace": workspace }, levels);
  const pair = element("div", { class: "two" }, level);
  if (inherited) return [pair];
  pair.append(select(gettext("By email"), choices.email, { "data-email": workspace }, EMAILS));
  return [pair, kinds(label, workspace, choices)];
}

/** Return the choices by kind, folded away while there are none. @param {string} label @param {string} workspace
 *  @param {Choices} choices */
function kinds(label, workspace, { emails }) {
  const like = /** @type {[string, string]} */ ([LIKE_EMAIL, gettext("Like “By email”")]);
  const key = `kinds ${workspace}`;
  const open = Object.values(emails).some(Boolean) || Boolean(findById(key, HTMLDetailsElement)?.open);
  const fields = Object.entries(KINDS).map(([kind, text]) =>
    select(text, emails[kind] ?? LIKE_EMAIL, { "data-kind": kind, "data-of": workspace }, [like, ...EMAILS])
  );
  const details = element(
    "details",
    { id: key, class: "by-kind" },
    element("summary", {}, gettext("Emails by kind: {workspace}", { workspace: label })),
    element("div", { class: "two" }, ...fields),
  );
  details.toggleAttribute("open", open);
  return details;
}

/** @param {Preferences} preferences */
function draw(preferences) {
  const single = preferences.workspaces.length < 2 && preferences.workspaces.every((each) => each.inherited);
  const own = single ? [] : preferences.workspaces;
  const problem = preferences.email_problem ? [element("small", {}, PROBLEMS[preferences.email_problem])] : [];
  query(root, "[data-choices]").replaceChildren(
    ...selects(gettext("In all workspaces"), "", preferences, false),
    ...problem,
    ...own.flatMap((each) => selects(each.name, each.workspace, each, each.inherited)),
  );
  const muted = preferences.muted.map(({ workflow, name }) => {
    const unmute = {
      type: "button",
      class: "small",
      "data-unmute": workflow,
      "aria-label": gettext("Unmute {name}", { name }),
    };
    return element("li", {}, element("div", {}, name), element("button", unmute, gettext("Unmute")));
  });
  query(root, "[data-muted]").hidden = muted.length === 0;
  query(root, "[data-muted] ul").replaceChildren(...muted);
}

/** Change preferences and show them. @param {object} body @param {string} done */
async function change(body, done) {
  const focused = document.activeElement instanceof HTMLSelectElement ? { ...document.activeElement.dataset } : {};
  try {
    draw(await send("PATCH", PATH, body));
    toast(done);
  } catch (error) {
    toast(messageOf(error), "failed");
  }
  const place = Object.entries(focused).map(([name, value]) => `[data-${name}="${value}"]`).join("");
  if (place) query(root, place).focus();
}

root.addEventListener("change", ({ target }) => {
  if (!(target instanceof HTMLSelectElement)) return;
  const { workspace, email, kind, of } = target.dataset;
  const level = target.value === LIKE_ALL ? { inherit: true } : choicesOf(target.value);
  const choices = kind
    ? { emails: { [kind]: target.value || null } }
    : email === undefined
    ? level
    : { email: target.value };
  const place = workspace || email || of;
  change(place ? { workspaces: [{ workspace: place, ...choices }] } : choices, gettext("Notifications saved."));
});
root.addEventListener("click", (event) => {
  const button = closest(event, "[data-unmute]");
  if (!button) return;
  change({ unmute: [button.dataset.unmute] }, gettext("Unmuted.")).then(() => query(root, "select").focus());
});

fetchJson(PATH).then((preferences) => {
  draw(preferences);
  if (location.hash === "#notifications") root.scrollIntoView();
}, (error) => query(root, "[data-choices]").replaceChildren(messageOf(error)));
