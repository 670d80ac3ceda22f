/** The graph as a picture or as a list of its nodes; on a narrow page it begins as a list. */
import { query } from "./page.js";

const NARROW = "(max-width: 760px)";

/** @param {HTMLElement} card has a fieldset of the name `view` @param {(isList: boolean) => void} onChange */
export function followView(card, onChange) {
  /** @param {boolean} isList */
  const show = (isList) => {
    card.dataset.view = isList ? "list" : "graph";
    query(card, `input[value=${card.dataset.view}]`, HTMLInputElement).checked = true;
    onChange(isList);
  };
  card.addEventListener("change", (event) => {
    const { target } = event;
    if (target instanceof HTMLInputElement && target.name === "view") show(target.value === "list");
  });
  show(matchMedia(NARROW).matches);
}
