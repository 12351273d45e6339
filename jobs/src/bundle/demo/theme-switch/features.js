(() => {
  // theme-switch
  const place = app.config.app.bundle_id + ".theme";
  const themes = ["system", "light", "dark"];
  const root = document.documentElement;
  const button = app.tool("", () => choose(themes[(themes.indexOf(root.dataset.theme) + 1) % themes.length]));
  button.id = "theme";
  function choose(theme) {
    root.dataset.theme = theme;
    button.textContent = "Theme: " + theme;
    try { localStorage.setItem(place, theme); } catch { /* It lasts as long as the page. */ }
  }
  let kept = null;
  try { kept = localStorage.getItem(place); } catch { /* There is none. */ }
  choose(themes.includes(kept) ? kept : app.config.app.theme);
})();
