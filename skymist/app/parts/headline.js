// Counts as links, and a search box that "/" leads to.
const PAUSE_MS = 150;

export function render({ model }) {
  const counts = element("ul", { "aria-label": model.label });
  const box = element("input", { type: "search", "aria-label": model.search_label, placeholder: model.search_label });
  const search = element("form", { role: "search" }, box, element("kbd", { "aria-hidden": "true" }, "/"));
  const line = element("div", { class: "line" }, counts);
  const views = element("ul"), nav = element("nav", { "aria-label": "parts of this page" }, views);
  const second = element("div", { class: "second" }, ...(model.views.length ? [nav] : []),
    ...(model.search_label ? [search] : []));
  const root = element("div", { class: `above ${model.theme}` }, line, second);
  let waiting = null, said = -PAUSE_MS;

  function itemOf(item) {
    const attributes = { class: `${item.kind ?? ""} ${item.current ? "current" : ""}` };
    if (!item.href) return element("li", {}, element("span", attributes, item.text));
    const link = element("a", { ...attributes, href: item.href }, item.text);
    if (item.current) link.setAttribute("aria-current", "true");
    if (!item.leave) link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      model.send_msg({ key: item.key });
    });
    return element("li", {}, link);
  }

  function drawInto(list, items) {
    const at = [...list.children].findIndex((child) => child.contains(list.getRootNode().activeElement));
    list.replaceChildren(...items.map(itemOf));
    if (at >= 0) list.children[at]?.querySelector("a")?.focus();
  }

  function draw() {
    drawInto(counts, model.items);
    drawInto(views, model.views);
  }

  function say() {
    clearTimeout(waiting);
    said = performance.now();
    if (model.words !== box.value) model.words = box.value;
  }
  box.value = model.words;
  // The first letter counts at once; those that follow quickly are said together.
  box.addEventListener("input", () => {
    clearTimeout(waiting);
    const pause = said + PAUSE_MS - performance.now();
    pause > 0 ? (waiting = setTimeout(say, pause)) : say();
  });
  box.addEventListener("keydown", (event) => { if (event.key === "Escape") { box.value = ""; say(); box.blur(); } });
  search.addEventListener("submit", (event) => { event.preventDefault(); say(); box.blur(); });

  function press(event) {
    if (event.key !== "/" || isTyping() || event.ctrlKey || event.metaKey || event.altKey) return;
    if (!root.isConnected || document.querySelector("dialog[open]")) return;
    event.preventDefault();
    box.focus();
    box.select();
  }

  function keepAddress() {
    const here = location.pathname + location.search;
    if (typeof model.address === "string" && model.address && model.address !== here) {
      history.replaceState(history.state, "", model.address);
    }
  }

  draw();
  document.addEventListener("keydown", press);
  model.on("items", () => drawInto(counts, model.items));
  model.on("views", () => drawInto(views, model.views));
  model.on("words", () => { if (box.getRootNode().activeElement !== box) box.value = model.words; });
  model.on("address", keepAddress);
  model.on("remove", () => document.removeEventListener("keydown", press));
  return root;
}
