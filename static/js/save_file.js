/** Files that the browser saves. */
import { element } from "./page.js";

/** Save a text as a file. @param {string} name @param {string} text @param {string} [type] */
export function saveFile(name, text, type = "application/json") {
  const address = URL.createObjectURL(new Blob([text], { type }));
  element("a", { href: address, download: name }).click();
  URL.revokeObjectURL(address);
}
