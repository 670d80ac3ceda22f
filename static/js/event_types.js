/** The chooser of event types: patterns as tags, typed or ticked in the catalogue, and the types that they match. */
import { byId, data, element, icon, inputById } from "./page.js";
import { gettext, ngettext } from "./translations.js";

const MAX_NAMED = 6;

/** Return the event types that a pattern matches. @param {string} pattern */
function matching(pattern) {
  const source = pattern.replace(/[.+^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*").replaceAll("?", ".");
  const expression = new RegExp(`^${source}$`);
  return Object.keys(data.types).filter((name) => expression.test(name));
}

export class EventTypes {
  /** @type {string[]} */
  patterns = [];
  #input = inputById("types-input");
  #boxes = [.../** @type {NodeListOf<HTMLInputElement>} */ (document.querySelectorAll(".catalogue input"))];

  constructor() {
    byId("types-add").addEventListener("click", () => this.addTyped());
    this.#input.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== ",") return;
      event.preventDefault();
      this.addTyped();
    });
    for (const box of this.#boxes) {
      box.addEventListener("change", () => (box.checked ? this.#add(box.value) : this.#remove(box.value)));
    }
  }

  /** @param {string[]} patterns */
  set(patterns) {
    this.patterns = [...patterns];
    this.#input.value = "";
    this.#show();
  }

  /** Add the patterns in the input. */
  addTyped() {
    for (const pattern of this.#input.value.split(/[\s,]+/).filter(Boolean)) this.#add(pattern);
    this.#input.value = "";
    this.#input.focus();
  }

  /** @param {string} pattern */
  #add(pattern) {
    if (!this.patterns.includes(pattern)) this.patterns.push(pattern);
    this.#show();
  }

  /** @param {string} pattern */
  #remove(pattern) {
    this.patterns = this.patterns.filter((each) => each !== pattern);
    this.#show();
  }

  /** @param {string} pattern */
  #tag(pattern) {
    const attributes = { type: "button", class: "icon-button", "aria-label": gettext("Remove {pattern}", { pattern }) };
    const button = element("button", attributes, icon("cross", 12));
    button.addEventListener("click", () => {
      this.#remove(pattern);
      this.#input.focus();
    });
    const tag = element("li", { class: "tag mono" }, pattern, button);
    if (!matching(pattern).length) tag.dataset.status = "failed";
    return tag;
  }

  #show() {
    byId("types-chosen").replaceChildren(...this.patterns.map((pattern) => this.#tag(pattern)));
    const subscribed = new Set(this.patterns.flatMap(matching));
    for (const box of this.#boxes) {
      const chosen = this.patterns.includes(box.value);
      const covered = !chosen && !box.value.endsWith("*") && subscribed.has(box.value);
      box.checked = chosen || covered;
      box.disabled = covered;
    }
    byId("types-help").textContent = this.#help(subscribed);
  }

  /** @param {Set<string>} subscribed */
  #help(subscribed) {
    const unknown = this.patterns.filter((pattern) => !matching(pattern).length);
    if (unknown.length) return gettext("No event type matches {patterns}.", { patterns: unknown.join(", ") });
    if (!subscribed.size) {
      return gettext("Exact names or patterns: execution.* matches the whole family, * matches every type.");
    }
    const names = [...subscribed].slice(0, MAX_NAMED).join(", ");
    const count = ngettext("{count} type", "{count} types", subscribed.size);
    return `${count}: ${names}${subscribed.size > MAX_NAMED ? ", …" : "."}`;
  }
}
