(() => {
  // export
  const formats = {
    json: { type: "application/json", name: "tasks.json", write: (tasks) => JSON.stringify(tasks, null, 2) + "\n" },
    markdown: {
      type: "text/markdown",
      name: "tasks.md",
      write: (tasks) => tasks.map((task) => "- [" + (task.done ? "x" : " ") + "] " + task.title + "\n").join(""),
    },
  };
  const format = formats[app.config.settings.export_format] || formats.markdown;
  app.tool("Export", () => {
    const url = URL.createObjectURL(new Blob([format.write(app.tasks())], { type: format.type }));
    Object.assign(document.createElement("a"), { href: url, download: format.name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 1000);
  });
})();
