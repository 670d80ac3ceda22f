/** A time axis: round steps, and their text in units that fit. */
import { language } from "./translations.js";

const POINT = (0.5).toLocaleString(language).charAt(1);
const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const STEPS = [
  ...[-3, -2, -1, 0, 1, 2, 3].flatMap((power) => [1, 2, 5].map((factor) => factor * 10 ** power)),
  ...[10, 15, 30].map((count) => count * SECOND),
  ...[1, 2, 5, 10, 15, 30].map((count) => count * MINUTE),
  ...[1, 2, 3, 6, 12].map((count) => count * HOUR),
  ...[1, 2, 7, 14, 30, 90, 365].map((count) => count * DAY),
];

/** Return the smallest round step that divides a span into at most so many parts. @param {number} ms @param {number} parts */
export const roundStep = (ms, parts) => STEPS.find((step) => ms / step <= parts) ?? STEPS[STEPS.length - 1];

/**
 * Return the text of a moment on the axis: milliseconds or seconds below a minute, and then the two largest units.
 * @param {number} ms since the start; negative before it
 * @param {number} step between the marks
 * @returns {string}
 */
export const tickText = (ms, step) => plainText(ms, step).replace(".", POINT);

/** @param {number} ms @param {number} step @returns {string} */
function plainText(ms, step) {
  if (ms < 0) return `−${plainText(-ms, step)}`;
  if (ms < MINUTE) {
    if (ms < SECOND || step < 1) return `${rounded(ms, step)} ms`;
    return `${rounded(ms / SECOND, step / SECOND)} s`;
  }
  /** @type {[number, string][]} */
  const units = [[DAY, "d"], [HOUR, "h"], [MINUTE, "min"], [SECOND, "s"]];
  const parts = [];
  let rest = ms;
  for (const [unit, name] of units) {
    const fine = name === "s" && step < SECOND;
    const count = fine ? rounded(rest / unit, step / unit) : Math.floor(rest / unit + 1e-9);
    if (Number(count) > 0) parts.push(`${count} ${name}`);
    rest -= Number(count) * unit;
  }
  return (step < MINUTE ? parts : parts.slice(0, 2)).join(" ");
}

/** @param {number} value @param {number} step whose decimals are kept */
function rounded(value, step) {
  const decimals = Math.max(0, Math.ceil(-Math.log10(step) - 1e-9));
  return String(Number(value.toFixed(decimals)));
}

/** @param {number} from @param {number} to @param {number} parts @returns {{at: number, text: string}[]} */
export function marks(from, to, parts) {
  const step = roundStep(to - from, parts);
  const found = [];
  for (let at = Math.ceil(from / step - 1e-9) * step; at <= to; at += step) {
    found.push({ at, text: at === 0 ? "0" : tickText(at, step) });
  }
  return found;
}
