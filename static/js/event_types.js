/** The chooser of event types: patterns as tags, typed or ticked in the catalogue, and what they come to. */
import { by, data, element, icon } from "./page.js";

const MOST_NAMED = 6;

/** @param {string} pattern */
const asExpression = (pattern) => new RegExp(`^${pattern.replace(/[.+^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*").replaceAll("?", ".")}$`);

/** @param {string} pattern */
const fitting = (pattern) => Object.keys(data.types).filter((name) => asExpression(pattern).test(name));

export class EventTypes {
  /** @type {string[]} */
  patterns = [];

  constructor() {
    this.input = by("types-input");
    this.boxes = [...document.querySelectorAll(".catalogue input")];
    by("types-add").addEventListener("click", () => this.add());
    this.input.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== ",") return;
      event.preventDefault();
      this.add();
    });
    for (const box of this.boxes) box.addEventListener("change", () => (box.checked ? this.take(box.value) : this.remove(box.value)));
  }

  /** @param {string[]} patterns */
  set(patterns) {
    this.patterns = [...patterns];
    this.input.value = "";
    this.show();
  }

  /** Take over what has been typed. */
  add() {
    for (const pattern of this.input.value.split(/[\s,]+/).filter(Boolean)) this.take(pattern);
    this.input.value = "";
    this.input.focus();
  }

  /** @param {string} pattern */
  take(pattern) {
    if (!this.patterns.includes(pattern)) this.patterns.push(pattern);
    this.show();
  }

  /** @param {string} pattern */
  remove(pattern) {
    this.patterns = this.patterns.filter((each) => each !== pattern);
    this.show();
  }

  show() {
    by("types-chosen").replaceChildren(...this.patterns.map((pattern) => {
      const button = element("button", { type: "button", class: "icon-button", "aria-label": `Remove ${pattern}` }, icon("cross", 12));
      button.addEventListener("click", () => {
        this.remove(pattern);
        this.input.focus();
      });
      const tag = element("li", { class: "tag mono" }, pattern, button);
      if (!fitting(pattern).length) tag.dataset.status = "failed";
      return tag;
    }));
    const heard = new Set(this.patterns.flatMap(fitting));
    for (const box of this.boxes) {
      const chosen = this.patterns.includes(box.value);
      const covered = !chosen && !box.value.endsWith("*") && heard.has(box.value);
      box.checked = chosen || covered;
      box.disabled = covered;
    }
    by("types-help").textContent = this.words(heard);
  }

  /** @param {Set<string>} heard */
  words(heard) {
    const lost = this.patterns.filter((pattern) => !fitting(pattern).length);
    if (lost.length) return `No type fits ${lost.join(", ")}.`;
    if (!heard.size) return "Exact names, or patterns with *: execution.* are all of the family, * is everything.";
    const named = [...heard].slice(0, MOST_NAMED).join(", ");
    return `${heard.size} type${heard.size === 1 ? "" : "s"}: ${named}${heard.size > MOST_NAMED ? ", …" : "."}`;
  }
}
