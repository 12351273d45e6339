(() => {
  // search
  const input = Object.assign(document.createElement("input"), { type: "search", id: "search" });
  input.placeholder = app.config.settings.search_placeholder;
  input.setAttribute("aria-label", input.placeholder);
  app.filter((task) => task.title.toLocaleLowerCase().includes(input.value.trim().toLocaleLowerCase()));
  input.addEventListener("input", app.show);
  document.getElementById("toolbar").append(input);
})();
