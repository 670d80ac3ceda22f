/**
 * Places what the server has measured: `data-left` and `data-width` as CSS lengths, `data-depth` as a number. The policy of the
 * pages allows no style attributes.
 */

/** @param {ParentNode} root */
function place(root) {
  for (const bar of /** @type {NodeListOf<HTMLElement>} */ (root.querySelectorAll("[data-left]"))) {
    bar.style.left = bar.dataset.left ?? "";
    bar.style.width = bar.dataset.width ?? "";
  }
  for (const row of /** @type {NodeListOf<HTMLElement>} */ (root.querySelectorAll("[data-depth]"))) {
    row.style.setProperty("--depth", row.dataset.depth ?? "0");
  }
}

place(document);
document.body.addEventListener("htmx:afterSettle", (event) => {
  if (event.target instanceof Element) place(event.target.parentNode ?? event.target);
});
