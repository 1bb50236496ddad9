// A real table, whose rows are kept as they are when new ones come: selection, focus and scrolling stay.
const isPressable = (found) => found && ["A", "BUTTON", "SUMMARY"].includes(found.tagName);

// Columns in groups: where there is little room, some stand in the cell of another one.
function grouped(columns, narrow) {
  const groups = [];
  for (const column of columns) {
    const host = narrow && column.under && groups.find((group) => group[0].key === column.under);
    host ? host.push(column) : groups.push([column]);
  }
  return groups;
}

function partOf(part, act) {
  if (Object.keys(part).length === 1) return part.text; // most are; a text is laid out faster than an element
  let made;
  if (part.action) {
    made = element("button", { type: "button", class: "act" }, part.text);
    made.addEventListener("click", () => act(part.action));
  } else {
    const inner = part.strike ? element("s", {}, part.text) : part.text;
    made = part.href ? element("a", { href: part.href }, inner) : element("span", {}, inner);
    if (part.download) made.setAttribute("download", "");
    if (part.meter !== undefined) made.prepend(meterOf(part.meter), " ");
    if (part.chip) made.className = `chip ${part.chip}`;
  }
  if (part.title) made.title = part.title;
  return made;
}

// The words beside it say the same: it is nothing for screen readers.
function meterOf(percent) {
  const filled = element("span");
  filled.style.width = `${percent}%`;
  return element("span", { class: "meter", "aria-hidden": "true" }, filled);
}

export function render({ model }) {
  const rows = new Map(); // by their ids: what stands on the page
  let given = JSON.parse(model.content);
  let groups = [], narrow = null;
  const head = element("thead"), body = element("tbody");
  const caption = element("caption", { class: "unseen" });
  const table = element("table", {}, caption, head, body);
  const nothing = element("p", { class: "nothing" });
  const previous = element("button", { type: "button" }, "Previous");
  const next = element("button", { type: "button" }, "Next");
  const shown = element("span", { class: "shown" });
  const news = element("span", { class: "news", role: "status" });
  const foot = element("nav", { class: "foot", "aria-label": "pages of the table" }, previous, shown, next, news);
  const root = element("div", { class: `frame ${model.theme}` }, table, nothing, foot);

  const busy = (yes) => root.setAttribute("aria-busy", yes ? "true" : "false");
  const turn = (step) => {
    if ((step < 0 && model.page > 1) || (step > 0 && model.more)) { busy(true); model.page += step; }
  };
  previous.addEventListener("click", () => turn(-1));
  next.addEventListener("click", () => turn(1));

  function headOf(column) {
    if (!column.sort) return element("span", { class: "title" }, column.title);
    const active = model.sort.replace(/^-/, "") === column.sort, falling = model.sort.startsWith("-");
    const sign = element("span", { class: "sign", "aria-hidden": "true" }, active ? (falling ? "▼" : "▲") : "");
    const button = element("button", { type: "button", class: "title" }, column.title, sign);
    button.addEventListener("click", () => {
      const first = column.falling ? `-${column.sort}` : column.sort;
      const other = column.falling ? column.sort : `-${column.sort}`;
      busy(true);
      model.sort = model.sort === first ? other : first;
    });
    return button;
  }

  function drawHead() {
    const line = element("tr");
    for (const group of groups) {
      const sorted = group.find((column) => column.sort && model.sort.replace(/^-/, "") === column.sort);
      const cell = element("th", { scope: "col", class: group[0].number ? "number" : "" }, ...group.map(headOf));
      if (sorted) cell.setAttribute("aria-sort", model.sort.startsWith("-") ? "descending" : "ascending");
      line.append(cell);
    }
    head.replaceChildren(line);
  }

  function cellOf(group, row) {
    const made = group[0].row_head ? element("th", { scope: "row" }) : element("td");
    if (group[0].number) made.className = "number";
    const act = (action) => model.send_msg({ row: row.id, action });
    for (const column of group) {
      const told = (row.cells[column.key] ?? []).map((part) => (typeof part === "string" ? { text: part } : part));
      const parts = told.map((part) => partOf(part, act));
      if (column !== group[0] && told.every((part) => part.text === "–")) continue;
      if (column.beside && made.lastChild && column !== group[0]) made.lastChild.append(" ", ...spaced(parts));
      else if (group.length === 1) made.append(...spaced(parts));
      else made.append(element("div", {}, ...spaced(parts)));
    }
    if (group[0].wrap) made.classList.add("wrap");
    return made;
  }

  const spaced = (parts) => parts.flatMap((part, at) => (at ? [" ", part] : [part]));

  function lineOf(row) {
    const kept = rows.get(row.id), text = JSON.stringify([row.cells, row.href, row.faint]);
    if (kept && kept.text === text && kept.narrow === narrow) return kept.line;
    const focused = kept && kept.line.contains(kept.line.getRootNode().activeElement);
    const line = kept?.line ?? element("tr", { "data-id": row.id });
    line.classList.toggle("faint", Boolean(row.faint));
    line.replaceChildren(...groups.map((group) => cellOf(group, row)));
    if (!kept) line.addEventListener("click", (event) => {
      if (!event.target.closest("a, button")) point(row.id, false);
    });
    rows.set(row.id, { line, text, narrow, href: row.href });
    if (focused) line.querySelector("a, button")?.focus({ preventScroll: true });
    return line;
  }

  // The row that somebody looks at stays where it is on the screen, whatever comes in above it.
  function anchored(change) {
    const top = (line) => line.getBoundingClientRect().top;
    const seen = window.scrollY > 0 && [...body.rows].find((line) => top(line) >= 0);
    const before = seen && top(seen);
    change();
    if (seen?.isConnected && Math.abs(top(seen) - before) > 1) window.scrollBy(0, top(seen) - before);
  }

  function drawRows() {
    const lines = given.map((row) => lineOf(row));
    const wanted = new Set(given.map((row) => row.id));
    for (const id of [...rows.keys()]) if (!wanted.has(id)) rows.delete(id);
    anchored(() => {
      for (const line of [...body.rows]) if (!wanted.has(line.dataset.id)) line.remove();
      lines.forEach((line, at) => { if (body.rows[at] !== line) body.insertBefore(line, body.rows[at] ?? null); });
    });
    for (const row of given) if (row.fresh) flash(rows.get(row.id).line);
    mark();
    busy(false);
  }

  function flash(line) {
    line.classList.remove("fresh");
    void line.offsetWidth; // the animation begins anew
    line.classList.add("fresh");
  }

  function mark() {
    for (const line of body.rows) {
      line.dataset.id === model.selected ? line.setAttribute("aria-current", "true") : line.removeAttribute("aria-current");
    }
  }

  function point(id, focus) {
    model.selected = id;
    mark();
    const line = rows.get(id)?.line;
    if (focus) line?.querySelector("a, button")?.focus({ preventScroll: true });
    line?.scrollIntoView({ block: "nearest" });
  }

  function drawFoot() {
    const first = (model.page - 1) * model.size + 1, count = given.length;
    shown.textContent = count ? `${first}–${first + count - 1}${model.more ? " of more" : ""}` : "";
    previous.disabled = model.page <= 1;
    next.disabled = !model.more;
    foot.classList.toggle("single", model.page <= 1 && !model.more);
    nothing.textContent = count ? "" : model.filled ? model.empty : model.loading_words;
    caption.textContent = model.label;
    table.hidden = !count && !model.filled;
  }

  function layOut(force) {
    const wanted = root.clientWidth > 0 && root.clientWidth < model.wide;
    if (!force && wanted === narrow) return;
    narrow = wanted;
    groups = grouped(model.columns, narrow);
    root.classList.toggle("narrow", narrow);
    drawHead();
    drawRows();
  }

  function step(by) {
    const ids = given.map((row) => row.id);
    if (!ids.length) return;
    const at = ids.indexOf(model.selected);
    point(ids[at < 0 ? (by > 0 ? 0 : ids.length - 1) : Math.min(Math.max(at + by, 0), ids.length - 1)], true);
  }

  function press(event) {
    if (!model.keys || !root.isConnected || !root.offsetParent) return;
    if (isTyping() || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    const keys = { j: () => step(1), k: () => step(-1), n: () => turn(1), p: () => turn(-1) };
    if (keys[event.key]) {
      event.preventDefault();
      keys[event.key]();
    } else if (event.key === "Enter" && !isPressable(focused()) && rows.get(model.selected)?.href) {
      location.assign(rows.get(model.selected).href);
    }
  }

  drawFoot();
  layOut(true);
  const watcher = new ResizeObserver(() => layOut(false));
  watcher.observe(root);
  document.addEventListener("keydown", press);
  model.on("columns", () => layOut(true));
  model.on("content", () => {
    given = JSON.parse(model.content);
    drawRows();
    drawFoot();
  });
  model.on("sort", drawHead);
  model.on("selected", mark);
  for (const name of ["page", "more", "filled", "empty", "label"]) model.on(name, drawFoot);
  model.on("news", () => { news.textContent = model.news; });
  model.on("remove", () => { watcher.disconnect(); document.removeEventListener("keydown", press); });
  return root;
}
