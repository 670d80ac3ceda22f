/** How well a text matches what was typed, as the server ranks names. */

export const NO_MATCH = Infinity;

/**
 * Return 0 if the text begins with what was typed, 1 if a word does, 2 if it contains it, 3 if it has its letters in
 * their order, and NO_MATCH otherwise.
 * @param {string} text
 * @param {string} typed
 */
export function rank(text, typed) {
  const [name, wanted] = [text.toLowerCase(), typed.toLowerCase().trim()];
  const at = name.indexOf(wanted);
  if (at === 0) return 0;
  if (at > 0) return name.includes(` ${wanted}`) ? 1 : 2;
  let next = 0;
  for (const letter of wanted.replace(/\s+/g, "")) {
    next = name.indexOf(letter, next) + 1;
    if (!next) return NO_MATCH;
  }
  return 3;
}
