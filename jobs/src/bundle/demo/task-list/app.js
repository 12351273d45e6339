"use strict";
// The task list. Features use what `window.app` offers and nothing else.
window.app = (() => {
  const config = window.APP_CONFIG;
  const place = config.app.bundle_id + ".tasks";
  const element = (id) => document.getElementById(id);
  const filters = [];
  let tasks = load();

  function load() {
    try {
      const kept = JSON.parse(localStorage.getItem(place));
      return Array.isArray(kept) ? kept : [];
    } catch {
      return [];
    }
  }

  function change(next) {
    tasks = next;
    try {
      localStorage.setItem(place, JSON.stringify(tasks));
    } catch {
      // Without storage the list lasts as long as the page.
    }
    show();
  }

  function add(title) {
    title = title.trim();
    if (title && tasks.length < config.settings.tasks_max) {
      change([...tasks, { id: Date.now() + "-" + Math.random().toString(36).slice(2), title, done: false }]);
    }
  }

  const toggle = (id) => change(tasks.map((task) => (task.id === id ? { ...task, done: !task.done } : task)));
  const remove = (id) => change(tasks.filter((task) => task.id !== id));

  function row(task) {
    const item = document.createElement("li");
    item.className = task.done ? "done" : "";
    const box = Object.assign(document.createElement("input"), { type: "checkbox", checked: task.done, id: "task-" + task.id });
    box.addEventListener("change", () => toggle(task.id));
    const label = Object.assign(document.createElement("label"), { textContent: task.title, htmlFor: box.id });
    const gone = Object.assign(document.createElement("button"), { textContent: "×", title: "Remove" });
    gone.setAttribute("aria-label", "Remove " + task.title);
    gone.addEventListener("click", () => remove(task.id));
    item.append(box, label, gone);
    return item;
  }

  function show() {
    const shown = tasks.filter((task) => filters.every((fits) => fits(task)));
    element("tasks").replaceChildren(...shown.map(row));
    element("empty").hidden = shown.length > 0;
    const left = tasks.filter((task) => !task.done).length;
    element("left").textContent = tasks.length ? left + " of " + tasks.length + " to do" : "";
  }

  function tool(label, act) {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: label });
    button.addEventListener("click", act);
    element("toolbar").append(button);
    return button;
  }

  element("new").addEventListener("submit", (event) => {
    event.preventDefault();
    add(element("title").value);
    element("title").value = "";
  });
  show();
  return { config, tasks: () => tasks.slice(), add, toggle, remove, show, tool, filter: (fits) => filters.push(fits) };
})();
