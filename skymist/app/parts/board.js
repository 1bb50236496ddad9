// Troubles, numbers and tables that change every moment: only what has changed is touched, so that nothing flickers, and
// whoever stands on a link or marks a text stays there. All texts come from outside: they are set as text, never as HTML.
// Bring the children of a node in line with a list: each has a key, by which it is known again.
function sync(parent, items, keyOf, make, update) {
  const there = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  items.forEach((item, place) => {
    const key = keyOf(item, place);
    let child = there.get(key);
    there.delete(key);
    if (!child) { child = make(item); child.dataset.key = key; }
    if (parent.children[place] !== child) parent.insertBefore(child, parent.children[place] ?? null);
    const told = JSON.stringify(item);
    if (child.dataset.told !== told) { child.dataset.told = told; update(child, item); }
  });
  for (const child of there.values()) child.remove();
}

const MARKS = { error: "✖ ", warning: "⚠ " };

function content(cell, model) {
  const text = `${MARKS[cell.kind] ?? ""}${cell.text}`;
  if (cell.act) {
    const button = element("button", { type: "button" }, text);
    button.addEventListener("click", () => { model.pressed = { act: cell.act, time: Date.now() }; });
    return [button];
  }
  if (cell.href) return [element("a", cell.aside ? { href: cell.href, target: "_blank", rel: "noopener" } : { href: cell.href }, text)];
  if (cell.off) return [element("span", { class: "off" }, text), element("small", {}, cell.off)];
  return [text];
}

function fill(td, cell, model) {
  td.className = `${td.dataset.number ? "number " : ""}${cell.kind ?? ""}`;
  td.title = cell.note ?? "";
  td.replaceChildren(...content(cell, model));
}

function row(model, columns) {
  const key = (cell, place) => String(place);
  return (tr, cells) => sync(tr, cells, key,
    (cell) => element("td"),
    (td, cell) => {
      const column = columns[Number(td.dataset.key)];
      td.dataset.number = column.startsWith("#") ? "yes" : "";
      td.dataset.name = column.replace("#", "");
      fill(td, cell, model);
    });
}

function makeTable(table) {
  const heads = table.columns.map((name) => element("th", { scope: "col", class: name.startsWith("#") ? "number" : "" }, name.replace("#", "")));
  const caption = element("caption", {}, table.title);
  const body = element("tbody");
  const made = element("table", {}, caption, element("thead", {}, element("tr", {}, ...heads)), body);
  const section = element("section", { class: `part ${table.key}` }, element("div", { class: "wide" }, made), element("p", { class: "none" }));
  return section;
}

function updateTable(section, table, model) {
  section.querySelector("caption").textContent = table.title;
  section.querySelector("thead").hidden = !table.rows.length;
  section.classList.toggle("some", table.rows.length > 0);
  section.querySelector(".none").textContent = table.rows.length ? "" : table.empty;
  const known = new Map();
  const keyOf = (cells) => {  // by what a row is of, which its first cell tells
    const first = `${cells[0].href ?? ""} ${cells[0].note ?? ""} ${cells[0].text}`;
    known.set(first, (known.get(first) ?? 0) + 1);
    return `${first} ${known.get(first)}`;
  };
  const body = section.querySelector("tbody");
  sync(body, table.rows, keyOf, () => element("tr"), row(model, table.columns));
}

export function render({ model }) {
  const headline = element("span", { role: "status" }), when = element("span", { class: "when" });
  const title = element("h2");
  const head = element("div", { class: "headline" }, headline, when);
  const troubles = element("ul", { class: "troubles", "aria-label": "troubles" });
  const figures = element("dl", { class: "figures" }), tables = element("div", { class: "tables" }), footer = element("p", { class: "footer" });
  const root = element("div", { class: `board ${model.theme}` }, head, title, troubles, figures, tables, footer);
  const show = {
    headline: () => {
      head.hidden = !model.headline;
      const mark = { success: "✔ ", ...MARKS }[model.severity];
      const text = `${mark}${model.headline}`;
      if (headline.textContent !== text) headline.textContent = text;
      headline.className = model.severity;
    },
    when: () => { when.textContent = model.when; },
    title: () => { title.textContent = model.title; title.hidden = !model.title; },
    troubles: () => sync(troubles, model.troubles, (each) => each.text, () => element("li"), (li, each) => {
      const text = each.href ? element("a", { href: each.href }, each.text) : each.text;
      li.replaceChildren(element("span", { class: `mark ${each.kind}` }, each.mark), " ", text);
    }),
    figures: () => sync(figures, Object.entries(model.figures), ([name]) => name,
      ([name]) => element("div", {}, element("dt", {}, name), element("dd")),
      (div, [, value]) => { div.lastChild.textContent = value; }),
    tables: () => sync(tables, model.tables, (table) => table.key, makeTable, (section, table) => updateTable(section, table, model)),
    footer: () => { footer.textContent = model.footer; footer.hidden = !model.footer; },
  };
  for (const [name, draw] of Object.entries(show)) { model.on(name, draw); draw(); }
  model.on("severity", show.headline);
  return root;
}
