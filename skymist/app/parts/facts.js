// A table of words and links; all that it shows is text, whatever it holds.
function content(cell) {
  const { text, href, more } = typeof cell === "object" ? cell : { text: cell };
  const shown = href ? element("a", { href }, text) : document.createTextNode(text);
  return more ? [shown, element("span", { class: "more" }, more)] : [shown];
}

function row(cells, columns, isHead) {
  return element("tr", cells.differs ? { class: "differs" } : {}, ...(cells.cells ?? cells).map((cell, index) =>
    element(isHead ? "th" : "td", isHead ? { scope: "col" } : { "data-label": columns[index], class: cell.keep ? "keep" : "" }, ...content(cell))));
}

function draw(model, root) {
  const focused = root.getRootNode().activeElement?.getAttribute?.("href");
  const table = element("table", model.columns.length === 1 ? { class: "single" } : {}, element("caption", {}, model.caption),
    element("thead", {}, row(model.columns, model.columns, true)),
    element("tbody", {}, ...model.rows.map((each) => row(each, model.columns, false))));
  root.className = `facts ${model.theme}`;
  root.replaceChildren(model.rows.length ? table : element("p", { class: "none" }, model.none));
  if (focused) [...root.querySelectorAll("a")].find((each) => each.getAttribute("href") === focused)?.focus();
}

export function render({ model }) {
  const root = element("div");
  draw(model, root);
  for (const name of ["rows", "caption", "none"]) model.on(name, () => draw(model, root));
  return root;
}
