/** The dialog of a save that is not based on the latest version: nothing is overwritten without a decision. */
import { differences, showDifferences } from "./difference.js";
import { buttonById, byId, data, dialogById, fetchJson, messageOf, RequestError } from "./page.js";
import { refreshTimes, timeElement } from "./times.js";
import { gettext, textWith } from "./translations.js";

/** @typedef {{current_version: number, by: string | null, at: string}} Stale */

/** Return what a refused save says about the latest version; null if it was refused for another reason. @param {unknown} error @returns {Stale | null} */
export const staleVersion = (error) =>
  error instanceof RequestError && error.problem.current_version ? /** @type {any} */ (error.problem) : null;

/**
 * Show who saved what, and the difference to `mine`; save over it, reload, or go on.
 * @param {Stale} stale
 * @param {any} mine
 * @param {(version: number, definition: any) => Promise<void>} save
 */
export async function offerOverwrite(stale, mine, save) {
  const dialog = dialogById("stale-dialog");
  const problem = byId("stale-error");
  const version = stale.current_version;
  problem.hidden = true;
  byId("stale-text").replaceChildren(
    ...textWith(
      gettext("{by} saved version {version} {time}, while you were editing an earlier one. Nothing was overwritten."),
      { by: stale.by ?? gettext("The platform"), version: String(version), time: timeElement(stale.at) },
    ),
  );
  refreshTimes();
  byId("stale-changes").replaceChildren();
  for (const button of dialog.querySelectorAll("[data-close]")) {
    /** @type {HTMLButtonElement} */ (button).onclick = () => dialog.close();
  }
  buttonById("stale-reload").onclick = () => location.assign(location.pathname);
  buttonById("stale-overwrite").onclick = async () => {
    try {
      await save(version, mine);
    } catch (error) {
      const newer = staleVersion(error);
      if (newer) return offerOverwrite(newer, mine, save);
      problem.hidden = false;
      problem.textContent = messageOf(error);
    }
  };
  if (!dialog.open) dialog.showModal();
  try {
    const theirs = await fetchJson(`/api/workflows/${data.workflow}/`);
    showDifferences(byId("stale-changes"), differences(theirs, mine));
  } catch (error) {
    problem.hidden = false;
    problem.textContent = messageOf(error);
  }
}
