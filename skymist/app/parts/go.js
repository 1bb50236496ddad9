// Takes the browser to another page of the dashboard.
export function render({ model }) {
  const leave = () => { if (model.to) location.assign(model.to); };
  model.on("to", leave);
  return document.createElement("span");
}
