/** The statistics of a workflow: success, durations, and what is usual against now. */
import { byId, data, duration, element, fetchJson, messageOf } from "./page.js";
import { gettext, language, ngettext, number } from "./translations.js";

/**
 * @typedef {{p50_ms: number | null, p95_ms: number | null, now_ms: number | null}} Spread
 * @typedef {{node: string, name: string, runs: number, failed: number, cache_hits: number, spread: Spread, trend: (number | null)[]}} NodeFigures
 * @typedef {{day: string, executions: number, failed: number, p50_ms: number | null}} DayFigures
 * @typedef {object} Statistics
 * @property {number} executions
 * @property {boolean} more
 * @property {Record<string, number>} statuses
 * @property {Spread} spread
 * @property {DayFigures[]} days
 * @property {NodeFigures[] | null} nodes
 */

const NOTABLE = 1.5; // as slow as this times the usual duration, something has changed
const SLOW_ENOUGH = 50; // ms: below, the difference is noise
const [WIDTH, HEIGHT] = [96, 22];

/** @param {number | null} ms */
const shown = (ms) => ms === null ? "–" : duration(ms);

/** @param {number} part @param {number} whole */
function share(part, whole) {
  if (!whole) return "–";
  const digits = part && part < whole ? 1 : 0;
  const format = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return `${(part / whole * 100).toLocaleString(language, format)} %`;
}

/** Whether it takes notably longer now. @param {Spread} spread */
const isSlower = ({ p50_ms: usual, now_ms: now }) =>
  usual !== null && now !== null && now > SLOW_ENOUGH && now > usual * NOTABLE;

/** A line through the values; a day without a value is a gap. @param {(number | null)[]} values @param {string} label */
function trendLine(values, label) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  const highest = Math.max(...values.map((value) => value ?? 0), 0.001);
  const step = WIDTH / Math.max(1, values.length - 1);
  let drawing = false;
  const parts = values.map((value, index) => {
    if (value === null) return (drawing = false, "");
    const command = drawing ? "L" : "M";
    drawing = true;
    const [x, y] = [index * step, HEIGHT - 2 - value / highest * (HEIGHT - 4)];
    const alone = values[index - 1] == null && values[index + 1] == null ? "h4" : "";
    return `${command}${x.toFixed(1)} ${y.toFixed(1)}${alone}`;
  });
  path.setAttribute("d", parts.join(""));
  svg.setAttribute("viewBox", `-2 0 ${WIDTH + 4} ${HEIGHT}`);
  svg.setAttribute("class", "trend");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", label);
  svg.append(path);
  return svg;
}

/** @param {string} label @param {string} value @param {string} [note] */
const figure = (label, value, note = "") =>
  element("div", { class: "figure" }, element("small", {}, label), element("b", {}, value), element("small", {}, note));

/** @param {Statistics} its */
function figures(its) {
  const { completed = 0, failed = 0, timed_out: timedOut = 0 } = its.statuses;
  const { p50_ms: p50, p95_ms: p95, now_ms: now } = its.spread;
  const note = isSlower(its.spread)
    ? gettext("usually {duration}", { duration: shown(p50) })
    : gettext("the newest 10");
  return element(
    "div",
    { class: "figures" },
    figure(
      its.more ? gettext("Executions (newest)") : gettext("Executions"),
      number(its.executions),
      ngettext("{count} failed", "{count} failed", failed + timedOut),
    ),
    figure(gettext("Success"), share(completed, completed + failed + timedOut)),
    figure(gettext("Median"), shown(p50), gettext("95 % within {duration}", { duration: shown(p95) })),
    figure(gettext("Now"), shown(now), note),
    element(
      "div",
      { class: "figure" },
      element("small", {}, gettext("Median per day")),
      trendLine(
        its.days.map((day) => day.p50_ms),
        its.days.map((day) => `${day.day}: ${shown(day.p50_ms)}`).join(", "),
      ),
    ),
  );
}

/** @param {NodeFigures} node */
function row(node) {
  const { p50_ms: p50, p95_ms: p95, now_ms: now } = node.spread;
  return element(
    "tr",
    {},
    element("th", { scope: "row" }, node.name),
    element("td", { class: "right" }, number(node.runs)),
    element("td", { class: "right" }, share(node.runs - node.failed, node.runs)),
    element("td", { class: "right" }, shown(p50)),
    element("td", { class: "right" }, shown(p95)),
    element(
      "td",
      isSlower(node.spread) ? { class: "right in-colour", "data-status": "waiting" } : { class: "right" },
      shown(now),
    ),
    element("td", { class: "right" }, node.cache_hits ? share(node.cache_hits, node.runs) : "–"),
    element("td", {}, trendLine(node.trend, gettext("Median per day of {node}", { node: node.name }))),
  );
}

/** @param {NodeFigures[]} nodes */
function table(nodes) {
  const heads = [
    gettext("Node"),
    gettext("Runs"),
    gettext("Success"),
    gettext("Median"),
    "95 %",
    gettext("Now"),
    gettext("From cache"),
    gettext("Trend"),
  ];
  const head = heads.map((text, index) =>
    element("th", { scope: "col", ...(index && index < 7 ? { class: "right" } : {}) }, text)
  );
  return element(
    "div",
    { class: "scrolls", tabindex: "0", role: "region", "aria-label": gettext("Statistics of nodes") },
    element(
      "table",
      { class: "statistics" },
      element("thead", {}, element("tr", {}, ...head)),
      element("tbody", {}, ...nodes.map(row)),
    ),
  );
}

/** @param {number} days */
async function load(days) {
  const body = byId("statistics-body");
  body.setAttribute("aria-busy", "true");
  try {
    /** @type {Statistics} */
    const its = await fetchJson(`/api/workflows/${data.workflow}/statistics/?days=${days}`);
    if (!its.executions) {
      const text = ngettext(
        "No live execution ended in the last {count} day. Test and debug executions do not count.",
        "No live execution ended in the last {count} days. Test and debug executions do not count.",
        days,
      );
      body.replaceChildren(element("p", { class: "empty" }, text));
    } else {
      const nodes = its.nodes
        ? table(its.nodes)
        : element("p", { class: "empty" }, gettext("Too many node runs. Choose fewer days."));
      body.replaceChildren(figures(its), nodes);
    }
  } catch (error) {
    body.replaceChildren(element("p", { class: "empty" }, messageOf(error)));
  }
  body.setAttribute("aria-busy", "false");
}

/** Load the statistics once their card comes into view, and again for other days. */
export function showStatistics() {
  const select = byId("statistics-days", HTMLSelectElement);
  const seen = new IntersectionObserver((entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    seen.disconnect();
    load(Number(select.value));
  });
  seen.observe(byId("statistics"));
  select.addEventListener("change", () => load(Number(select.value)));
}
