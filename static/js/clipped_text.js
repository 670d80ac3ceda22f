/** A text that is cut for want of room shows the whole of it when the pointer rests on it. */

document.addEventListener("pointerover", ({ target }) => {
  if (!(target instanceof HTMLElement) || target.title || target.scrollWidth <= target.clientWidth) return;
  if (getComputedStyle(target).textOverflow === "ellipsis") target.title = target.textContent.trim();
}, { passive: true });
