/* Light or dark: the account's choice or, without a login, the one made in this browser; else the system's. A classic
   script, so that it runs before the first paint. */
(() => {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const account = root.dataset.accountTheme;
  const shown = () => root.dataset.theme || (system.matches ? "dark" : "light");

  /** Keep a choice in this browser: the login page has no account to ask. @param {string} [theme] */
  function store(theme) {
    try {
      if (theme) localStorage.setItem("theme", theme);
      else localStorage.removeItem("theme");
    } catch {
      return; // storage may be off: the choice lasts for this page
    }
  }

  /** Save the choice in the account. @param {string} theme */
  function save(theme) {
    const token = document.querySelector("[name=csrfmiddlewaretoken]");
    if (!account || !(token instanceof HTMLInputElement)) return;
    const headers = { "Content-Type": "application/json", "X-CSRFToken": token.value };
    fetch("/api/account/", { method: "PATCH", headers, body: JSON.stringify({ theme }), keepalive: true });
  }

  if (account) {
    store(root.dataset.theme);
  } else {
    let stored = null;
    try {
      stored = localStorage.getItem("theme");
    } catch {
      stored = null; // storage may be off: the system decides
    }
    if (stored === "light" || stored === "dark") root.dataset.theme = stored;
  }

  document.addEventListener("DOMContentLoaded", () => {
    document.getElementById("theme")?.addEventListener("click", () => {
      root.dataset.theme = shown() === "dark" ? "light" : "dark";
      store(root.dataset.theme);
      save(root.dataset.theme);
    });
  });
})();
