// Files as plain links: the browser saves them, with the login's cookie.
function row(file) {
  const link = element("a", { href: file.url, download: file.name, title: file.name }, file.format);
  return element("tr", {}, element("th", { scope: "row" }, link), element("td", {}, file.about), element("td", { class: "size" }, file.size));
}

function thing(each) {
  const head = element("tr", {}, ...["file", "what it is", "size"].map((name) => element("th", { scope: "col" }, name)));
  return element("table", {}, element("caption", {}, each.label), element("thead", {}, head), element("tbody", {}, ...each.files.map(row)));
}

function draw(model) {
  if (!model.groups.length) {
    return [element("p", { role: "status" }, model.loaded ? "There are no files yet." : "Files are being listed…")];
  }
  return model.groups.map((group) => {
    const things = element("div", { class: "things" }, ...group.things.map(thing));
    const open = element("details", {}, element("summary", {}, `${group.title} (${group.things.length})`), things);
    open.open = !group.folded;
    return open;
  });
}

export function render({ model }) {
  const choice = element("select", {}, ...model.calibrations.map((each) => element("option", { value: each }, each)));
  choice.addEventListener("change", () => { model.calibration = choice.value; });
  const label = element("label", {}, "Calibration of regions ", choice);
  const hint = element("span", { class: "hint" }, "decides about contours, regions and figures; other files stay as they are");
  const body = element("div", {});
  const root = element("section", { class: `downloads ${model.theme}`, "aria-label": "downloads" }, element("p", {}, label, " ", hint), body);
  const show = () => {
    const closed = new Set([...body.querySelectorAll("details:not([open])")].map((each) => each.dataset.title));
    choice.value = model.calibration;
    body.replaceChildren(...draw(model));
    body.querySelectorAll("details").forEach((each) => {
      each.dataset.title = each.firstChild.textContent;
      if (closed.has(each.dataset.title)) each.open = false;
    });
  };
  for (const name of ["groups", "loaded", "calibration"]) model.on(name, show);
  show();
  return root;
}
