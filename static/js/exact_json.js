/**
 * JSON without rounding. An integer that a number of JavaScript cannot hold is a `bigint` here: the platform keeps
 * integers from -2^63 to 2^64 - 1 exact. Everything else is as `JSON.parse` and `JSON.stringify` have it. Pure.
 */

const MAY_ROUND = /\d{16}/; // smaller integers are exact
const STRING_OR_NUMBER = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
const INTEGER = /^-?\d{16,}$/;
const [LEAST, MOST] = [-(2n ** 63n), 2n ** 64n - 1n];

/** Return a text that no value has. */
const unique = () => `integer-${crypto.getRandomValues(new Uint32Array(4)).join("-")}:`;

/** @param {string} token of JSON */
function rounds(token) {
  if (!INTEGER.test(token) || Number.isSafeInteger(Number(token))) return false;
  const exact = BigInt(token);
  return LEAST <= exact && exact <= MOST;
}

/** Return the value of a JSON text. Throws a SyntaxError. @param {string} text @returns {any} */
export function read(text) {
  if (!MAY_ROUND.test(text)) return JSON.parse(text);
  const mark = unique();
  let found = false;
  const marked = text.replace(STRING_OR_NUMBER, (token) => {
    if (token.startsWith('"') || !rounds(token)) return token;
    found = true;
    return `"${mark}${token}"`;
  });
  if (!found) return JSON.parse(text);
  JSON.parse(text); // an error names its place in the text that was given
  return JSON.parse(
    marked,
    (_, value) => typeof value === "string" && value.startsWith(mark) ? BigInt(value.slice(mark.length)) : value,
  );
}

/** Return a value as JSON text, indented if `indent` is more than 0. @param {unknown} value @param {number} [indent]
 *  @returns {string} */
export function write(value, indent = 0) {
  try {
    return JSON.stringify(value, null, indent);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error; // not what JSON.stringify says of a bigint
  }
  const mark = unique();
  const text = JSON.stringify(value, (_, inner) => typeof inner === "bigint" ? mark + inner : inner, indent);
  return text.replaceAll(new RegExp(`"${mark}(-?\\d+)"`, "g"), "$1");
}
