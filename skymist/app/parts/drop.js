// Files that are chosen or dropped go to the server in pieces.
function encoded(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
}

let choices = 0;

export function render({ model }) {
  const input = element("input", { type: "file", multiple: "", "aria-label": model.label });
  const words = element("span", { class: "words" }, model.label), told = element("p", { class: "told", role: "status" });
  const zone = element("label", { class: "zone" }, input, words);
  const root = element("div", { class: `drop ${model.theme}` }, zone, told);
  const bytes = (count) => `${(count / 2 ** 20).toFixed(0)} MiB`;

  async function send(list) {
    const files = [...list].filter((file) => file.size <= model.most_bytes);
    const large = [...list].filter((file) => file.size > model.most_bytes).map((file) => file.name);
    told.textContent = large.length ? `larger than ${bytes(model.most_bytes)}, not sent: ${large.join(", ")}` : "";
    if (!files.length || model.disabled) return;
    words.textContent = "sending …";
    const counts = files.map((file) => Math.max(1, Math.ceil(file.size / model.piece_bytes)));
    const common = { choice: ++choices, names: files.map((file) => file.name), counts };
    try {
      for (const [at, file] of files.entries()) {
        for (let piece = 0; piece < counts[at]; piece++) {
          const part = file.slice(piece * model.piece_bytes, (piece + 1) * model.piece_bytes);
          model.send_msg({ ...common, file: at, piece, data: await encoded(part) });
        }
      }
    } catch (error) {
      told.textContent = `a file cannot be read: ${error.message}`;
      show();
    }
    input.value = ""; // the same file may be chosen again
  }

  function show() {
    words.textContent = model.busy ? "looking at them …" : model.label;
    input.disabled = model.disabled;
    root.classList.toggle("disabled", model.disabled);
  }

  input.addEventListener("change", () => send(input.files));
  for (const name of ["dragenter", "dragover"]) zone.addEventListener(name, (event) => {
    event.preventDefault();
    zone.classList.add("over");
  });
  for (const name of ["dragleave", "drop"]) zone.addEventListener(name, (event) => {
    event.preventDefault();
    zone.classList.remove("over");
  });
  zone.addEventListener("drop", (event) => send(event.dataTransfer.files));
  show();
  model.on("busy", show);
  model.on("disabled", show);
  return root;
}
