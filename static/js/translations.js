/**
 * The texts of the pages. Their first arguments are literals in double quotes: the copies of the modules in other
 * languages have the translations in their place (`core/translations/scripts.py`).
 */

/** The language of the page, such as `de`. */
export const language = document.documentElement.lang || "en";

const digits = new Intl.NumberFormat(language);
const rules = new Intl.PluralRules(language);
const categories = ["zero", "one", "two", "few", "many", "other"].filter((each) =>
  rules.resolvedOptions().pluralCategories.includes(/** @type {Intl.LDMLPluralRule} */ (each))
);

/** @typedef {Record<string, string | number>} Values */

/** @param {number} value */
export const number = (value) => digits.format(value);

const point = (0.5).toLocaleString(language).charAt(1);

/** Return a number with one decimal, without separators of thousands. @param {number} value */
export const decimal = (value) => value.toFixed(1).replace(".", point);

/**
 * Return a text with its placeholders filled: `gettext("{name} failed", { name })`.
 * @param {string} text
 * @param {Values} [values]
 */
export const gettext = (text, values) => (values ? text.replace(/\{(\w+)\}/g, (_, key) => String(values[key])) : text);

/**
 * Return a text with a number in the form that the number needs: `ngettext("{count} item", "{count} items", items)`.
 * `{count}` is the number as the language writes it.
 * @param {string | string[]} singular or, in translations, the text of each plural form
 * @param {string | null} plural
 * @param {number} count
 * @param {Values} [values]
 */
export function ngettext(singular, plural, count, values) {
  const forms = Array.isArray(singular) ? singular : [singular, /** @type {string} */ (plural)];
  const form = Math.min(categories.indexOf(rules.select(count)), forms.length - 1);
  return gettext(forms[form], { count: number(count), ...values });
}

/**
 * Return a text with elements for its placeholders: `textWith(gettext("Waiting for {node}"), { node: link })`.
 * @param {string} text
 * @param {Record<string, Node | string>} parts
 * @returns {(Node | string)[]}
 */
export const textWith = (text, parts) =>
  text.split(/\{(\w+)\}/).map((part, index) => (index % 2 ? parts[part] : part)).filter((part) => part !== "");
