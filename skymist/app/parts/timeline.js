// The timeline of an alert. Entries that are there stay as they are: neither scroll nor focus is lost by what is new.
const SVG = "http://www.w3.org/2000/svg";
const MARKS = { event: "●", notice: "✉", file: "▤", scan: "◎", circular: "✎", comment: "❝", retraction: "✕", name: "≡", release: "◇" };

function drawn(tag, attributes, text) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text) made.textContent = text;
  return made;
}

// Names go above the line, each in the lowest row in which it does not lie over its neighbour.
function rows(marks, x) {
  const ends = [];
  return marks.map((mark) => {
    const half = 4 + 3.6 * `${mark.name} ${mark.text}`.length;
    const middle = Math.min(Math.max(x(mark.at), half), x(1) + 24 - half);
    let row = ends.findIndex((end) => end < middle - half);
    if (row < 0) row = ends.push(-1) - 1;
    ends[row] = middle + half;
    return { ...mark, middle, row };
  });
}

function scaleOf(scale, width) {
  const x = (at) => 24 + at * (width - 48);
  const marks = rows(scale.marks, x);
  const deep = 18 * (Math.max(...marks.map((mark) => mark.row)) + 1);
  const line = deep + 10;
  const picture = drawn("svg", { viewBox: `0 0 ${width} ${line + 30}`, width, height: line + 30, role: "img", "aria-label": scale.words });
  picture.append(drawn("line", { x1: x(0), x2: x(1), y1: line, y2: line, class: "axis" }));
  let end = -1e9;
  for (const tick of scale.ticks) {
    picture.append(drawn("line", { x1: x(tick.at), x2: x(tick.at), y1: line, y2: line + 5, class: "axis" }));
    const half = 4 + 3.4 * tick.text.length;
    if (x(tick.at) - half < end) continue;
    end = x(tick.at) + half;
    picture.append(drawn("text", { x: x(tick.at), y: line + 19, class: "tick" }, tick.text));
  }
  for (const mark of marks) {
    const low = deep - 18 * mark.row - 5;
    picture.append(drawn("line", { x1: x(mark.at), x2: x(mark.at), y1: low + 4, y2: line, class: "stem" }));
    picture.append(drawn("circle", { cx: x(mark.at), cy: line, r: 5, class: `point ${mark.name}` }));
    picture.append(drawn("text", { x: mark.middle, y: low, class: "mark" }, `${mark.name} ${mark.text}`));
  }
  return picture;
}

function entry(step) {
  const words = element("div", { class: "what" }, element("span", { class: "text" }, step.what));
  if (step.milestone) words.append(element("span", { class: "first" }, `first ${step.milestone}`));
  for (const link of step.links) words.append(element("a", link.href.startsWith("/v1/") ? { href: link.href, download: "" } : { href: link.href }, link.text));
  if (step.detail) words.append(element("div", { class: "detail" }, step.detail));
  const since = step.since ? `${step.since} since the event, ${step.before} since the step before` : "the event itself";
  return element("li", { class: step.kind, "data-kind": step.kind },
    element("time", { datetime: step.time, title: step.time }, step.utc),
    element("span", { class: "since", title: since, "aria-label": since }, step.since || "0"),
    element("span", { class: "before", "aria-hidden": "true", title: since }, step.before),
    element("span", { class: "kind" }, element("span", { "aria-hidden": "true" }, `${MARKS[step.kind]} `), step.kind),
    words, element("span", { class: "who" }, step.who));
}

export function render({ model }) {
  const picture = element("div", { class: "scale" });
  const filters = element("fieldset", {}, element("legend", {}, "Show"));
  const list = element("ol", { "aria-label": "timeline, oldest first", role: "list" });
  const heads = element("div", { class: "heads", "aria-hidden": "true" },
    ...["time (UTC)", "since event", "since before", "kind", "what", "who"].map((each) => element("span", {}, each)));
  const none = element("p", { class: "none", role: "status" });
  const root = element("section", { class: `timeline ${model.theme}`, "aria-label": "timeline" }, picture, filters, heads, list, none);
  const there = new Map();
  const boxes = new Map();
  let width = 0;

  const drawScale = () => {
    if (width < 100 || !model.scale.marks) return;
    const reached = model.scale.marks.length > 1;
    picture.replaceChildren(reached ? scaleOf(model.scale, width) : element("p", { class: "none" }, model.scale.words));
  };
  const sift = () => {
    let shown = 0;
    for (const item of list.children) {
      item.hidden = model.hidden.includes(item.dataset.kind);
      shown += item.hidden ? 0 : 1;
    }
    for (const [kind, box] of boxes) box.checked = !model.hidden.includes(kind);
    none.textContent = shown || !list.children.length ? "" : "All steps are hidden: choose what to show above.";
  };
  const drawFilters = () => {
    for (const { kind, name, count } of model.kinds) {
      if (!boxes.has(kind)) {
        const box = element("input", { type: "checkbox" });
        box.addEventListener("change", () => {
          model.hidden = box.checked ? model.hidden.filter((each) => each !== kind) : [...model.hidden, kind];
          sift();
        });
        boxes.set(kind, box);
        filters.append(element("label", { "data-kind": kind }, box, element("span", {})));
      }
      filters.querySelector(`label[data-kind="${kind}"] span`).textContent = ` ${name} (${count})`;
    }
  };
  const drawSteps = () => {
    const wanted = new Set();
    let last = null;
    for (const step of model.steps) {
      const key = JSON.stringify(step);
      wanted.add(key);
      if (!there.has(key)) there.set(key, entry(step));
      const item = there.get(key);
      const place = last ? last.nextSibling : list.firstChild;
      if (item !== place) list.insertBefore(item, place);
      last = item;
    }
    for (const [key, item] of there) if (!wanted.has(key)) { item.remove(); there.delete(key); }
    drawFilters();
    sift();
  };
  const watcher = new ResizeObserver(([seen]) => {
    width = Math.floor(seen.contentRect.width);
    drawScale();
  });
  watcher.observe(picture);
  model.on("steps", drawSteps);
  model.on("kinds", () => { drawFilters(); sift(); });
  model.on("hidden", sift);
  model.on("scale", drawScale);
  model.on?.("remove", () => watcher.disconnect());
  drawSteps();
  return root;
}
