/** The files of items (`$binary`), with links that download them. */
import { element, icon, size } from "./page.js";
import { gettext, ngettext } from "./translations.js";

const MAX_FILES = 50; // of one list of items
const REFERENCE = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** @typedef {{ key: string, name: string, mediaType: string, size: number, reference: string }} FileOfItem */

/**
 * Return the files of items. An item can hold anything under `$binary`: what describes no file is left out.
 * @param {unknown[]} items
 * @returns {FileOfItem[]}
 */
export function filesOf(items) {
  const files = [];
  for (const item of items) {
    const entries = /** @type {Record<string, unknown> | null} */ (item)?.$binary;
    for (const [key, entry] of Object.entries(entries ?? {})) {
      const { name, media_type: mediaType, size: bytes, reference } = entry ?? {};
      if (!REFERENCE.test(String(reference))) continue;
      files.push({
        key,
        name: String(name || "file"),
        mediaType: String(mediaType || ""),
        size: Number(bytes) || 0,
        reference,
      });
    }
  }
  return files;
}

/**
 * Return a list of the files of items; nothing if there are none.
 * @param {string} execution
 * @param {unknown[]} items
 */
export function filesView(execution, items) {
  const files = filesOf(items);
  if (!files.length) return [];
  const shown = files.slice(0, MAX_FILES).map((file) => {
    const href = `/api/executions/${execution}/binaries/${file.reference}/`;
    const title = gettext("Download {name}", { name: file.name });
    const link = element("a", { class: "link", href, download: file.name, title }, icon("download", 14), file.name);
    return element("li", {}, link, element("small", {}, `${file.key} · ${file.mediaType} · ${size(file.size)}`));
  });
  const rest = files.length - shown.length;
  if (rest > 0) {
    shown.push(element("li", {}, element("small", {}, ngettext("{count} more file", "{count} more files", rest))));
  }
  return [element("ul", { class: "files", "aria-label": gettext("Files") }, ...shown)];
}
