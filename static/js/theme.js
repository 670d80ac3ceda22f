/* Light or dark: the account's choice or, without a login, the one made in this browser; else the system's. A classic
   script, so that it runs before the first paint. */
(() => {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const account = root.dataset.accountTheme;
  const shown = () => root.dataset.theme || (system.matches ? "dark" : "light");

  const UNSAVED = "theme-unsaved";
  const OVERLAP = 10_000; // ms for which a page may still come that the server has made before it saved the choice

  /** Return a stored choice. One that has been saved counts for a while. @param {string} key */
  function stored(key) {
    try {
      const [theme, savedAt] = (localStorage.getItem(key) ?? "").split(" ");
      const counts = !savedAt || Date.now() - Number(savedAt) < OVERLAP;
      return counts && (theme === "light" || theme === "dark") ? theme : "";
    } catch {
      return ""; // storage may be off: the choice lasts for this page
    }
  }

  /** @param {string} key @param {string} [theme] */
  function store(key, theme) {
    try {
      if (theme) localStorage.setItem(key, theme);
      else localStorage.removeItem(key);
    } catch {
      // storage may be off
    }
  }

  /** Save the choice in the account. A page that is opened before it is saved shows it too. @param {string} theme */
  function save(theme) {
    const token = document.querySelector("[name=csrfmiddlewaretoken]");
    if (!account || !(token instanceof HTMLInputElement)) return;
    const headers = { "Content-Type": "application/json", "X-CSRFToken": token.value };
    store(UNSAVED, theme);
    fetch("/api/account/", { method: "PATCH", headers, body: JSON.stringify({ theme }), keepalive: true })
      .then(() => store(UNSAVED, `${theme} ${Date.now()}`), () => {});
  }

  const unsaved = account ? stored(UNSAVED) : "";
  const chosen = unsaved || (account ? root.dataset.theme : stored("theme"));
  if (chosen) root.dataset.theme = chosen;
  store("theme", chosen); // the login page has no account to ask

  document.addEventListener("theme-saved", () => store(UNSAVED));
  document.addEventListener("DOMContentLoaded", () => {
    document.getElementById("theme")?.addEventListener("click", () => {
      root.dataset.theme = shown() === "dark" ? "light" : "dark";
      store("theme", root.dataset.theme);
      save(root.dataset.theme);
    });
    if (unsaved && unsaved !== account) save(unsaved);
  });
})();
