// A text with marks at their places: what is found wrong, and facts with where they come from. The text area itself is a
// plain one; the marks are in a mirror behind it, which has the same letters in the same places, but no ink.
const PAUSE_MS = 500, AT_LATEST_MS = 1000, SLOW_MS = 4000, HELD_MS = 5000;
const ICONS = { error: "✖", warning: "▲", fact: "◆" };
const WORDS = { error: "error", warning: "warning" };

function stored(key) {
  try {
    return JSON.parse(localStorage.getItem(key));
  } catch {
    return null;
  }
}

function store(key, value) {
  try {
    if (value === null) localStorage.removeItem(key);
    else localStorage.setItem(key, JSON.stringify(value));
  } catch { /* the browser keeps nothing: the service does */ }
}

// Places are counted in letters by the service, and in units of UTF-16 here.
function toUnits(text, marks) {
  const letters = [...text];
  if (letters.length === text.length) return marks;
  const units = [0];
  for (const letter of letters) units.push(units.at(-1) + letter.length);
  const at = (place) => place === null ? null : units[Math.min(place, letters.length)];
  return marks.map((mark) => ({ ...mark, start: at(mark.start), end: at(mark.end) }));
}

// Move marks from one text to another that differs from it at one place; a fact that is touched is one no more.
function moved(marks, before, after, keep) {
  if (before === after) return marks;
  const most = Math.min(before.length, after.length);
  let head = 0, tail = 0;
  while (head < most && before[head] === after[head]) head++;
  while (tail < most - head && before.at(-1 - tail) === after.at(-1 - tail)) tail++;
  const end = before.length - tail, shift = after.length - before.length;
  return marks.flatMap((mark) => {
    if (mark.start === null || mark.end <= head) return [mark];
    if (mark.start >= end) return [{ ...mark, start: mark.start + shift, end: mark.end + shift }];
    const start = Math.min(mark.start, head), last = Math.max(mark.end + shift, head);
    return keep && last > start ? [{ ...mark, start, end: last }] : [];
  });
}

class Editor {
  constructor(model) {
    this.model = model;
    this.key = `skymist.scratch.${model.whose}`;
    this.load = model.text.load ?? 0;
    this.base = model.text.base ?? 0;
    this.edit = model.typed?.edit ?? 0;
    this.asked = model.saving?.count ?? 0;
    this.findings = [];
    this.facts = [];
    this.sent = null;
    this.timer = null;
    this.dirtySince = null;
    this.marked = "";
    this.build();
    this.show(model.text);
    if (model.typed?.load === this.load) this.fill(model.typed.subject, model.typed.body);
    this.sent = { edit: this.edit, subject: this.subject.value, body: this.area.value };
    this.take(model.marks);
    this.condition();
    this.permit();
  }

  build() {
    const what = this.model.what;
    this.subject = element("textarea", { id: "subject", rows: 2, spellcheck: "true", lang: "en", maxlength: 200,
      autocomplete: "off", "aria-describedby": "subject-note" });
    this.subjectNote = element("p", { id: "subject-note", class: "note" });
    this.area = element("textarea", { id: "body", readonly: "", spellcheck: "true", lang: "en", wrap: "soft", maxlength: 100000,
      autocomplete: "off", "aria-describedby": "tip keys" });
    this.mirror = element("div", { class: "mirror", "aria-hidden": "true" });
    this.gutter = element("div", { class: "gutter", "aria-hidden": "true" });
    this.tip = element("div", { id: "tip", class: "tip", role: "tooltip", hidden: "" });
    const keys = element("p", { id: "keys", class: "unseen" },
      "Ctrl+S saves a revision. Moving the caret onto a mark shows what it is. Marks are listed beside the text.");
    const paper = element("div", { class: "paper" }, this.gutter, this.mirror, this.area, this.tip);
    this.note = element("input", { id: "note", type: "text", maxlength: 200, autocomplete: "off" });
    this.saveButton = element("button", { type: "button", class: "main", "aria-keyshortcuts": "Control+S" },
      "Save revision");
    this.dropButton = element("button", { type: "button" }, "Discard changes");
    this.state = element("p", { class: "state", role: "status" });
    this.bar = element("div", { class: "bar" },
      element("label", { for: "note" }, "Note on the change"), this.note, this.saveButton, this.dropButton);
    this.text = element("section", { class: "text", "aria-label": `text of the ${what}` },
      element("label", { for: "subject" }, "Subject"), this.subject, this.subjectNote,
      element("label", { for: "body" }, "Text"), paper, keys, this.state, this.bar);
    this.findingList = element("ul", { class: "list" });
    this.findingHead = element("h2");
    this.factList = element("ul", { class: "list facts" });
    this.factHead = element("h2");
    const side = element("section", { class: "side", "aria-label": "findings and facts" },
      this.findingHead, this.findingList, this.factHead, this.factList);
    this.root = element("div", { class: `editor ${this.model.theme}` }, this.text, side);
    this.listen();
  }

  listen() {
    const { area, subject } = this;
    for (const each of [area, subject]) {
      each.addEventListener("input", () => this.changed());
      each.addEventListener("blur", () => this.send());
    }
    subject.addEventListener("keydown", (event) => { if (event.key === "Enter") event.preventDefault(); });
    area.addEventListener("pointermove", (event) => this.point(event));
    area.addEventListener("pointerleave", () => this.hide());
    area.addEventListener("blur", () => this.hide());
    for (const each of ["keyup", "click"]) area.addEventListener(each, (event) => this.caret(event));
    area.addEventListener("keydown", (event) => { if (event.key === "Escape") this.hide(); });
    this.saveButton.addEventListener("click", () => this.save());
    this.dropButton.addEventListener("click", () => this.drop());
    this.note.addEventListener("keydown", (event) => { if (event.key === "Enter") this.save(); });
    this.outside = {
      keydown: (event) => {
        if (!(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "s" || event.altKey) return;
        event.preventDefault();
        this.save();
      },
      visibilitychange: () => { if (document.visibilityState === "hidden") this.send(); },
    };
    for (const [name, act] of Object.entries(this.outside)) document.addEventListener(name, act);
    this.leave = (event) => {
      this.send();
      if (this.unkept()) event.preventDefault();
    };
    window.addEventListener("beforeunload", this.leave);
    this.watcher = new ResizeObserver(() => this.place());
    this.watcher.observe(this.mirror);
    this.ticking = setInterval(() => this.condition(), 1000);
  }

  remove() {
    this.send();
    for (const [name, act] of Object.entries(this.outside)) document.removeEventListener(name, act);
    window.removeEventListener("beforeunload", this.leave);
    this.watcher.disconnect();
    clearInterval(this.ticking);
    clearTimeout(this.timer);
  }

  // --- the text

  fill(subject, body) {
    const { selectionStart, selectionEnd } = this.area;
    this.subject.value = subject ?? "";
    this.area.value = body ?? "";
    if (this.root.getRootNode().activeElement === this.area) this.area.setSelectionRange(selectionStart, selectionEnd);
  }

  show(text) {
    const isNew = text.load !== this.load, typing = this.dirtySince !== null;
    const goesOn = isNew && this.sent && (this.area.value !== this.sent.body || this.subject.value !== this.sent.subject);
    if (isNew && text.how === "follow" && (typing || goesOn)) return; // what is typed goes before it
    this.load = text.load;
    this.base = text.base;
    if (isNew && text.how === "saved" && (typing || goesOn)) { // what is typed goes on from what was saved
      this.changed();
      return;
    }
    const same = this.area.value.trimEnd() === (text.body ?? "").trimEnd() && this.subject.value === text.subject;
    if (!same || text.how === "put") this.fill(text.subject, text.body); // else one can undo what was typed before
    this.dirtySince = null;
    clearTimeout(this.timer);
    this.sent = { edit: 0, subject: this.subject.value, body: this.area.value };
    this.shift(this.marked, this.area.value);
    if (isNew) this.note.value = "";
  }

  changed() {
    if (/[\r\n]/.test(this.subject.value)) this.subject.value = this.subject.value.replace(/[\r\n]+/g, " "); // was pasted
    this.hold();
    this.shift(this.marked, this.area.value);
    this.hide();
    this.dirtySince ??= performance.now();
    clearTimeout(this.timer);
    const rest = AT_LATEST_MS - (performance.now() - this.dirtySince);
    this.timer = setTimeout(() => this.send(), Math.max(0, Math.min(PAUSE_MS, rest)));
    this.condition();
  }

  // What the service does not have yet is held by the browser, too: for when it is killed, or the service is away.
  hold() {
    const { load, base, subject, area } = this;
    if (load && !area.readOnly) {
      store(this.key, { base, subject: subject.value, body: area.value, at: Date.now() });
    }
  }

  // Go on with what an earlier window could not hand over.
  recover() {
    const held = stored(this.key);
    if (!held || this.area.readOnly || Date.now() - held.at < HELD_MS) return;
    store(this.key, null);
    if (held.subject === this.subject.value && held.body === this.area.value) return;
    this.base = held.base;
    this.fill(held.subject, held.body);
    this.changed();
  }

  now() {
    return { load: this.load, edit: ++this.edit, base: this.base, subject: this.subject.value, body: this.area.value };
  }

  send() {
    clearTimeout(this.timer);
    if (this.dirtySince === null) return;
    this.dirtySince = null;
    const typed = this.now();
    this.sent = { ...typed, at: performance.now() };
    this.model.typed = typed;
    this.condition();
  }

  save() {
    if (this.area.readOnly) return;
    clearTimeout(this.timer);
    this.dirtySince = null;
    const typed = this.now();
    this.sent = { ...typed, at: performance.now() };
    this.model.saving = { count: ++this.asked, text: typed, note: this.note.value };
  }

  drop() {
    clearTimeout(this.timer);
    store(this.key, null);
    this.dirtySince = null;
    this.model.dropping = this.model.dropping + 1;
  }

  // Whether something was typed that the service does not have yet.
  unkept() {
    return this.dirtySince !== null || (this.sent?.at !== undefined && (this.model.marks.edit ?? 0) < this.sent.edit &&
      this.model.condition.kind !== "rival" && !this.area.readOnly);
  }

  condition() {
    const { kind, words } = this.model.condition, late = this.unkept();
    const since = this.sent?.at === undefined ? 0 : performance.now() - this.sent.at;
    let told = words ?? "", shown = kind ?? "saved";
    if (late && this.dirtySince === null && since > SLOW_MS) {
      told = "not kept yet: the service does not answer. The text is in this window only.";
      shown = "failed";
    } else if (late) {
      told = "typing …";
      shown = "typing";
    }
    const icon = { saved: "✔", kept: "●", typing: "…", rival: "⚠", failed: "⚠" }[shown];
    const lines = this.area.value.replace(/^\n+|\n+$/g, "").split("\n").length;
    const count = this.model.most ? ` · ${lines} line${lines === 1 ? "" : "s"} (at most ${this.model.most})` : "";
    const text = this.area.readOnly ? `read only${count}` : `${icon} ${told}${count}`;
    if (this.state.textContent !== text) this.state.textContent = text;
    this.state.dataset.kind = this.area.readOnly ? "saved" : shown;
  }

  permit() {
    const reads = this.model.readonly, opens = !reads && this.load > 0 && !this.opened;
    this.area.readOnly = this.subject.readOnly = reads;
    this.bar.hidden = reads;
    if (opens) {
      this.opened = true;
      this.recover();
    }
    this.condition();
  }

  // --- the marks

  take(marks) {
    if (!marks || marks.load !== this.load || (marks.edit ?? 0) < (this.sent?.edit ?? 0)) return;
    const text = this.sent?.body ?? this.area.value;
    this.findings = toUnits(text, marks.findings ?? []);
    this.facts = toUnits(text, marks.facts ?? []);
    this.marked = text;
    this.shift(text, this.area.value);
    if (!this.unkept() && ["saved", "kept"].includes(this.model.condition.kind)) store(this.key, null);
    this.condition();
  }

  shift(before, after) {
    this.findings = moved(this.findings, before, after, true);
    this.facts = moved(this.facts, before, after, false);
    this.draw();
  }

  draw() {
    const text = this.area.value;
    this.marked = text;
    const placed = [...this.findings.filter((each) => each.start !== null && each.end > each.start),
      ...this.facts.map((each) => ({ ...each, level: "fact" }))];
    const cuts = [...new Set([0, text.length, ...placed.flatMap((each) => [each.start, each.end])])]
      .filter((each) => each >= 0 && each <= text.length).sort((one, other) => one - other);
    const pieces = cuts.slice(0, -1).map((start, index) => {
      const end = cuts[index + 1], here = placed.filter((each) => each.start <= start && each.end >= end);
      const words = text.slice(start, end);
      if (!here.length) return document.createTextNode(words);
      const piece = element("span", { class: here.map((each) => `is-${each.level}`).join(" ") }, words);
      piece.marks = here;
      piece.start = start;
      return piece;
    });
    this.mirror.replaceChildren(...pieces, "\u200b");
    this.list();
    this.place();
    this.ofSubject();
  }

  // Put an icon beside each line in which something is found.
  place() {
    const rows = new Map();
    for (const piece of this.mirror.querySelectorAll(".is-error, .is-warning")) {
      const level = piece.classList.contains("is-error") ? "error" : "warning", top = piece.offsetTop;
      if (rows.get(top) !== "error") rows.set(top, level);
    }
    this.gutter.replaceChildren(...[...rows].map(([top, level]) => {
      const icon = element("span", { class: `is-${level}` }, ICONS[level]);
      icon.style.top = `${top}px`;
      return icon;
    }));
  }

  ofSubject() {
    const found = this.findings.filter((each) => each.where === "subject");
    this.subject.toggleAttribute("aria-invalid", found.some((each) => each.level === "error"));
    this.subject.dataset.level = found[0]?.level ?? "";
    this.subjectNote.textContent = found.map((each) => `${ICONS[each.level]} ${WORDS[each.level]}: ${each.why}`).join("; ");
    this.subjectNote.hidden = !found.length;
  }

  list() {
    const levels = this.findings.map((each) => each.level);
    const told = ["error", "warning"].map((level) => [levels.filter((each) => each === level).length, level])
      .filter(([count]) => count).map(([count, level]) => `${count} ${level}${count === 1 ? "" : "s"}`);
    const checked = this.model.marks.load !== undefined;
    this.findingHead.textContent = `Findings: ${checked ? told.join(", ") || "nothing wrong" : "being looked for …"}`;
    this.factHead.textContent = `Facts: ${checked ? this.facts.length : "…"}`;
    this.renew(this.findingList, this.findings, (each) => [
      element("span", { class: `icon is-${each.level}`, "aria-hidden": "true" }, ICONS[each.level]),
      element("span", { class: "what" }, element("strong", {}, WORDS[each.level]), ` ${each.where ? `${each.where}: ` : ""}${each.why}`,
        ...(each.says || each.expected ? [element("span", { class: "more" },
          [each.says && `says “${each.says}”`, each.expected && `expected “${each.expected}”`, each.source && `by ${each.source}`]
            .filter(Boolean).join(" · "))] : []))]);
    this.renew(this.factList, this.facts, (each) => [
      element("span", { class: "what" }, element("strong", {}, each.label), ` = ${each.value}`,
        element("span", { class: "more" }, each.source))]);
  }

  // Show a list anew if it is another one; the focus stays in its row.
  renew(list, marks, write) {
    const key = JSON.stringify(marks.map(({ start, end, ...rest }) => [start === null, rest]));
    list.marks = marks;
    if (list.dataset.key === key) return;
    list.dataset.key = key;
    const focused = [...list.children].findIndex((each) => each.contains(this.root.getRootNode().activeElement));
    list.replaceChildren(...marks.map((each, index) => {
      const jumps = each.start !== null || each.where === "subject";
      const inner = element(jumps ? "button" : "div", jumps ? { type: "button", title: "go there" } : {}, ...write(each));
      if (jumps) inner.addEventListener("click", () => this.jump(list.marks[index]));
      return element("li", {}, inner);
    }));
    if (focused >= 0) list.children[Math.min(focused, marks.length - 1)]?.firstChild.focus?.();
  }

  jump(mark) {
    if (mark.start === null) {
      this.subject.focus();
      this.subject.select();
      return;
    }
    this.area.focus({ preventScroll: true });
    this.area.setSelectionRange(mark.start, mark.end);
    const piece = [...this.mirror.querySelectorAll("span")].find((each) => each.start === mark.start);
    piece?.scrollIntoView({ block: "center", behavior: "auto" });
    if (piece) this.explain(piece);
  }

  // --- what a mark means

  point(event) {
    const over = [...this.mirror.querySelectorAll("span")].find((piece) => [...piece.getClientRects()].some((box) =>
      event.clientX >= box.left && event.clientX <= box.right && event.clientY >= box.top && event.clientY <= box.bottom));
    if (over) this.explain(over);
    else if (this.explained !== "caret") this.hide();
    if (over) this.explained = "pointer";
  }

  caret(event) {
    if (event.type === "keyup" && !/^(Arrow|Home|End|Page)/.test(event.key)) return;
    const { selectionStart: place } = this.area;
    const piece = [...this.mirror.querySelectorAll("span")]
      .find((each) => each.start <= place && place <= each.start + each.textContent.length);
    if (piece) {
      this.explain(piece);
      this.explained = "caret";
    } else this.hide();
  }

  explain(piece) {
    const lines = piece.marks.map((mark) => element("div", { class: `about is-${mark.level}` }, ...(mark.level === "fact" ? [
      element("strong", {}, `${mark.label} = ${mark.value}`), element("span", {}, mark.about), element("span", {}, mark.source),
    ] : [
      element("strong", {}, `${ICONS[mark.level]} ${WORDS[mark.level]}: ${mark.why}`),
      ...(mark.expected ? [element("span", {}, `expected “${mark.expected}”${mark.source ? `, by ${mark.source}` : ""}`)] : []),
    ])));
    this.tip.replaceChildren(...lines);
    this.tip.hidden = false;
    const box = piece.getClientRects()[0], paper = this.mirror.getBoundingClientRect();
    const left = Math.max(0, Math.min(box.left - paper.left, paper.width - this.tip.offsetWidth - 8));
    this.tip.style.left = `${left + this.mirror.offsetLeft}px`;
    this.tip.style.top = `${box.bottom - paper.top + this.mirror.offsetTop + 4}px`;
  }

  hide() {
    this.tip.hidden = true;
    this.explained = "";
  }
}

export function render({ model }) {
  const editor = new Editor(model);
  model.on("text", () => { editor.show(model.text); editor.permit(); });
  model.on("marks", () => editor.take(model.marks));
  model.on("condition", () => editor.condition());
  model.on("readonly", () => editor.permit());
  model.on("remove", () => editor.remove());
  return editor.root;
}
