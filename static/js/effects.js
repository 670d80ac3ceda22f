/** The words of the pages for what a node does outside. */
import { gettext } from "./translations.js";

/** @type {Record<string, string>} */
const EFFECTS = { writes: gettext("writes"), sends: gettext("sends") };

/** Return the word for the effect of a node that acts. @param {string} effect */
export const effectText = (effect) => EFFECTS[effect] ?? effect;
