// Two texts word by word. What was added is underlined behind a plus, what was removed is struck through behind a minus.
const TAGS = { added: ["ins", "+", "added: "], removed: ["del", "−", "removed: "] };

function piece([kind, text]) {
  if (!TAGS[kind]) return document.createTextNode(text);
  const [tag, sign, words] = TAGS[kind];
  const marks = [element("span", { class: "sign", "aria-hidden": "true" }, sign), element("span", { class: "unseen" }, words)];
  const lines = text.split(/(\n+)/).filter(Boolean); // a line that ends shows that it does
  return element(tag, {}, ...marks, ...lines.map((each) => /^\n/.test(each) ? `${"↵".repeat(each.length)}${each}` : each));
}

function draw(model, root) {
  const count = model.parts.flatMap((part) => part.pieces).filter(([kind]) => kind !== "same").length;
  const head = element("p", { class: "head", role: "status" }, model.head || "", count ? "" : " – no difference");
  root.className = `diff ${model.theme}`;
  root.replaceChildren(head, ...model.parts.flatMap((part) => [
    element("h2", {}, part.title), element("pre", { tabindex: "0", "aria-label": part.title }, ...part.pieces.map(piece))]));
}

export function render({ model }) {
  const root = element("div");
  draw(model, root);
  for (const name of ["parts", "head"]) model.on(name, () => draw(model, root));
  return root;
}
