/** Rows of results on the page of a job (Django RQ): a click opens the result, as the link at the end of the row does. */
addEventListener("click", ({ target }) => {
  const row = target instanceof Element && !target.closest("a") ? target.closest("tr.rq-clickable") : null;
  row?.querySelector("a")?.click();
});
