(() => {
  // shortcuts
  const keys = { n: () => document.getElementById("title").focus(), "/": () => document.getElementById("search").focus() };
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { document.activeElement.blur(); return; }
    const typing = ["INPUT", "TEXTAREA"].includes(document.activeElement.tagName);
    if (typing || event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  });
  const help = Object.assign(document.createElement("p"), { id: "keys", textContent: "n: new task, /: search, Esc: leave" });
  document.querySelector("footer").append(help);
})();
