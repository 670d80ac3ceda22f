/** The attempts of a node run and its log lines. */
import { messageView } from "./exchange_view.js";
import { momentElement } from "./moments.js";
import { duration, element, fetchJson, messageOf } from "./page.js";
import { timeElement } from "./times.js";
import { gettext, textWith } from "./translations.js";
import { statusText } from "./words.js";

/** @import { Attempt, NodeRunAnswer, Run } from "./types.js" */

/**
 * Return when the next attempt begins; null if none is planned.
 * @param {Run} run
 * @param {NodeRunAnswer | null} answer
 * @returns {string | null}
 */
export function nextAttemptAt(run, answer) {
  if (run.endedAt) return null;
  if (run.status === "waiting") {
    return answer?.error || run.waitsFor?.kind === "retry" ? run.waitsFor?.until ?? null : null;
  }
  const last = run.retries.at(-1);
  const kept = answer?.attempts.at(-1); // the page may have come after the event
  const at = last ? Date.parse(last.at) + last.delayMs : Date.parse(kept?.retry_at ?? "");
  const failed = last?.attempt ?? kept?.attempt ?? 0;
  return run.attempt === failed + 1 && at > Date.now() ? new Date(at).toISOString() : null;
}

/**
 * @param {Run} run
 * @param {NodeRunAnswer} answer
 */
export function attemptsView(run, answer) {
  const earlier = answer.attempts.map((each) => attemptView(each, "failed"));
  const current = {
    attempt: answer.attempt,
    ended_at: run.endedAt,
    duration_ms: run.endedAt ? run.durationMs ?? null : null,
    error: run.status === "failed" ? answer.error : null,
  };
  const next = nextAttemptAt(run, answer);
  const last = next
    ? element(
      "li",
      { "data-status": "waiting" },
      ...textWith(gettext("{attempt} begins {time}"), {
        attempt: element("b", {}, attemptText(answer.attempt)),
        time: timeElement(next),
      }),
    )
    : attemptView(current, run.status);
  return element(
    "section",
    { class: "side", "aria-label": gettext("Attempts") },
    element("ol", { class: "attempts" }, ...earlier, last),
  );
}

/** @param {number} attempt */
const attemptText = (attempt) => gettext("Attempt {number}", { number: attempt });

/** @param {Attempt} attempt @param {string} status */
function attemptView({ attempt, ended_at, duration_ms, error }, status) {
  const facts = [statusText(status)];
  if (duration_ms != null) facts.push(duration(duration_ms));
  if (error?.response) facts.push(gettext("response {status}", { status: error.response.status ?? "" }));
  const head = element("p", {}, element("b", {}, attemptText(attempt)), element("span", {}, facts.join(" · ")));
  if (ended_at) head.append(momentElement(ended_at, "second"));
  /** @type {HTMLElement[]} */
  const parts = [head];
  if (error) parts.push(element("pre", {}, error.message));
  if (error?.response) {
    const { response } = error;
    const label = gettext("of attempt {number}", { number: attempt });
    const details = element("details", {}, element("summary", {}, gettext("Response")));
    details.addEventListener("toggle", () => details.append(messageView(response, label)), { once: true });
    parts.push(details);
  }
  return element("li", { "data-status": status }, ...parts);
}

/** The log lines of a node run, fetched when they are shown. */
export class LogLines {
  #list = element("ol", { class: "log-lines" });
  #begun = false;

  /** @param {string} path of the node run in the API @param {number} runIndex */
  constructor(path, runIndex) {
    this.path = path;
    this.runIndex = runIndex;
    this.root = element("section", { class: "side", "aria-label": gettext("Logs") }, this.#list);
  }

  show() {
    if (this.#begun) return;
    this.#begun = true;
    this.#load(0);
  }

  /** @param {number} after */
  async #load(after) {
    try {
      const { lines, next_after: next } = await fetchJson(
        `${this.path}logs/?run_index=${this.runIndex}&after=${after}`,
      );
      for (const { time, level, message } of lines) {
        const at = momentElement(time, "clock");
        this.#list.append(
          element("li", { "data-level": level }, at, element("b", {}, level), element("span", {}, message)),
        );
      }
      if (!this.#list.childElementCount) {
        this.#list.replaceWith(element("p", { class: "muted" }, gettext("No log lines")));
      }
      if (next) this.#addMore(next);
    } catch (error) {
      this.#begun = false;
      const text = gettext("Couldn't load the log lines: {error}", { error: messageOf(error) });
      this.root.append(element("p", { class: "muted" }, text));
    }
  }

  /** @param {number} next */
  #addMore(next) {
    const more = element("button", { type: "button", class: "small quiet" }, gettext("Show more"));
    more.addEventListener("click", () => {
      more.remove();
      this.#load(next);
    });
    this.root.append(more);
  }
}
