// Labelled native controls: what is changed is told at once, or with Enter.
export function render({ model }) {
  const controls = new Map();
  const usual = (field) => model.usual[field.name] ?? "";
  const valueOf = (field) => model.values[field.name] ?? usual(field);
  const tell = (name, value) => model.send_msg({ name, value });
  let open = model.fields.some((field) => field.folded && valueOf(field) !== usual(field));

  function controlOf(field) {
    if (field.flag) {
      const box = element("input", { type: "checkbox" });
      box.addEventListener("change", () => tell(field.name, box.checked ? "yes" : ""));
      return box;
    }
    const made = field.options
      ? element("select", {}, ...field.options.map(([value, word]) => element("option", { value }, word)))
      : element("input", { type: "text", placeholder: field.hint ?? "", autocomplete: "off", spellcheck: "false" });
    made.style.width = `${field.width ?? 140}px`;
    made.addEventListener("change", () => tell(field.name, made.value));
    return made;
  }

  function labelled(field) {
    const control = controlOf(field), words = element("span", {}, field.label);
    controls.set(field.name, [field, control]);
    return element("label", { class: field.flag ? "flag" : "" }, ...(field.flag ? [control, words] : [words, control]));
  }

  const unfold = element("button", { type: "button" });
  const clear = element("button", { type: "button" }, "Clear");
  const second = element("div", { class: "second" });
  const root = element("form", { class: `filters ${model.theme}`, "aria-label": model.label });

  function draw() {
    controls.clear();
    const folded = model.fields.filter((field) => field.folded);
    second.replaceChildren(...folded.map(labelled));
    const first = model.fields.filter((field) => !field.folded).map(labelled);
    root.replaceChildren(...first, ...(folded.length ? [unfold] : []), clear, second);
    show();
  }

  function fold() {
    unfold.textContent = open ? "Fewer filters" : "More filters";
    unfold.setAttribute("aria-expanded", open ? "true" : "false");
    second.hidden = !open;
  }

  const isUsed = (control) => control.getRootNode().activeElement === control && control.value !== "";

  function show() {
    for (const [field, control] of controls.values()) {
      const value = valueOf(field);
      if (field.flag) control.checked = value === "yes";
      else if (control.value !== value && !(control.type === "text" && isUsed(control))) control.value = value;
      control.closest("label").classList.toggle("set", value !== usual(field));
    }
    clear.disabled = [...controls.values()].every(([field]) => valueOf(field) === usual(field));
  }

  unfold.addEventListener("click", () => { open = !open; fold(); });
  clear.addEventListener("click", () => tell("", ""));
  root.addEventListener("submit", (event) => event.preventDefault());
  fold();
  draw();
  model.on("fields", draw);
  model.on("values", show);
  return root;
}
