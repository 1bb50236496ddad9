// An event in the detector, in three dimensions: turned, and played in time, without the server.
const SPEEDS = [["slow", 20], ["normal", 8], ["fast", 3]]; // seconds from the first light to the last
const LARGEST = 26; // pixels
const SMALLEST = 3;
const CENTRE = { x: 0, y: 0, z: -0.14 }; // the names of the axes are below

// Indices of modules whose first light is not later than a time; at the end of the slider, of all.
export function lit({ modules, times }, time) {
  return [...modules.time.keys()].filter((at) => time >= times.last || modules.time[at] <= time);
}

export function summary(modules, indices) {
  const charge = indices.reduce((sum, at) => sum + modules.charge[at], 0);
  return `${indices.length.toLocaleString("en")} of ${modules.time.length.toLocaleString("en")} modules, `
    + `${Math.round(charge).toLocaleString("en")} PE`;
}

export function colourOf(line, at, colours) {
  if (line.kind === "fit") return colours.ink;
  return line.kind === "truth" ? colours.mark : colours.lines[at % colours.lines.length];
}

// Where the eye is: from above, from the side of a line, or behind it, looking along its flight.
export function cameraOf(kind, travel) {
  const up = { x: 0, y: 0, z: 1 }, [x, y, z] = travel ?? [0, 1, 0], flat = Math.hypot(x, y);
  if (kind === "top") return { eye: { x: 0, y: 0, z: 2.1 }, up: { x: 0, y: 1, z: 0 } };
  if (kind === "side") {
    const [right, ahead] = flat < 0.05 ? [1, 0] : [y / flat, -x / flat];
    return { eye: { x: 2 * right, y: 2 * ahead, z: 0.05 }, up };
  }
  if (kind === "along") return { eye: { x: -2 * x, y: -2 * y, z: -2 * z }, up: flat < 0.05 ? { x: 0, y: 1, z: 0 } : up };
  return { eye: { x: 1.2, y: 1.2, z: 0.8 }, up };
}

function modulesTrace({ modules, times }, colours) {
  const bar = { title: { text: "first pulse (ns)", side: "right" }, len: 0.75, thickness: 14, tickcolor: colours.faint,
    outlinecolor: colours.faint, tickfont: { color: colours.ink } };
  return { type: "scatter3d", mode: "markers", x: modules.x, y: modules.y, z: modules.z, name: "modules with light",
    marker: { size: sizes(modules), sizemode: "diameter", color: modules.time, cmin: times.low, cmax: times.high,
      colorscale: "Viridis", colorbar: bar, opacity: 1, line: { color: colours.ink, width: 1 } },
    customdata: modules.string.map((string, at) => [string, modules.module[at], modules.charge[at], modules.time[at]]),
    hovertemplate: "string %{customdata[0]}, module %{customdata[1]}<br>%{customdata[2]:.2f} PE<br>"
      + "%{customdata[3]:.0f} ns<extra></extra>" };
}

const sizes = (modules) => modules.size.map((size) => Math.max(SMALLEST, LARGEST * size));

function lineTrace(line, at, colours) {
  const colour = colourOf(line, at, colours), dash = { fit: "solid", truth: "dash", earlier: "dot" }[line.kind];
  const shared = { type: "scatter3d", x: line.x, y: line.y, z: line.z, visible: line.kind !== "earlier", name: line.name,
    hovertemplate: `${escape(line.told)}<br>%{x:.0f}, %{y:.0f}, %{z:.0f} m<extra></extra>` };
  if (line.cascade) return { ...shared, mode: "markers", marker: { symbol: "diamond", size: 9, color: colour } };
  return { ...shared, mode: "lines+markers", line: { color: colour, width: 6, dash },
    marker: { color: colour, size: [0, 6], symbol: "diamond" } };
}

const escape = (text) => text.replace(/[&<>]/g, (sign) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[sign]);

function layoutOf(colours) {
  const axis = { backgroundcolor: colours.paper, gridcolor: colours.faint, color: colours.ink, zerolinecolor: colours.faint };
  const scene = Object.fromEntries(["x", "y", "z"].map((name) => [`${name}axis`, { ...axis, title: { text: `${name} (m)` } }]));
  return { scene: { ...scene, aspectmode: "data", camera: { center: CENTRE, ...cameraOf("free") } }, paper_bgcolor: colours.paper,
    font: { color: colours.ink }, showlegend: false, margin: { l: 0, r: 0, t: 0, b: 0 }, uirevision: "kept", autosize: true };
}

// Plotly's own styles are those of the document; inside of a shadow root they are wanted, too.
function adoptStyles(root) {
  const global = document.getElementById("plotly.js-style-global");
  const rules = global?.sheet ? [...global.sheet.cssRules].map((rule) => rule.cssText).join("\n") : "";
  root.append(element("style", {}, rules));
}

function whenThere(found, act) {
  if (found()) act();
  else setTimeout(() => whenThere(found, act), 50);
}

function slider(model, show) {
  const { times } = model.scene, step = (times.last - times.first) / times.parts;
  const range = element("input", { type: "range", min: times.first, max: times.last, step: "any", "aria-label": "light up to (ns)" });
  const out = element("output", { class: "so-far", "aria-live": "off" });
  const set = (time) => {
    range.value = Math.max(times.first, Math.min(times.last, time));
    range.setAttribute("aria-valuetext", `${Math.round(range.value)} ns`);
    show(Number(range.value), out);
  };
  range.addEventListener("input", () => set(Number(range.value)));
  return { range, out, set, step, now: () => Number(range.value) };
}

function player(model, time) {
  const { times } = model.scene;
  let frame = null, last = 0;
  const play = element("button", { type: "button" }, "▶ Play");
  const speed = element("select", { "aria-label": "speed" }, ...SPEEDS.map(([name, seconds]) =>
    element("option", name === "normal" ? { value: seconds, selected: "" } : { value: seconds }, name)));
  const stop = () => {
    cancelAnimationFrame(frame);
    frame = null;
    play.textContent = "▶ Play";
  };
  const tick = (now) => {
    time.set(time.now() + (now - last) / 1000 * (times.last - times.first) / Number(speed.value));
    last = now;
    if (time.now() >= times.last || !play.isConnected) stop();
    else frame = requestAnimationFrame(tick);
  };
  play.addEventListener("click", () => {
    if (frame !== null) return stop();
    if (time.now() >= times.last) time.set(times.first);
    play.textContent = "⏸ Pause";
    last = performance.now();
    frame = requestAnimationFrame(tick);
  });
  const button = (name, act) => {
    const made = element("button", { type: "button" }, name);
    made.addEventListener("click", () => { stop(); act(); });
    return made;
  };
  return { stop, controls: [play, button("Step back", () => time.set(time.now() - time.step)),
    button("Step", () => time.set(time.now() + time.step)), speed, button("All light", () => time.set(times.last))] };
}

function lineSwitches(model, plot, colours) {
  return model.scene.lines.map((line, at) => {
    const box = element("input", { type: "checkbox" });
    box.checked = line.kind !== "earlier";
    box.addEventListener("change", () => window.Plotly.restyle(plot, { visible: box.checked }, [at + 2]));
    const swatch = element("i", { style: `background: ${colourOf(line, at, colours)}`, class: line.kind });
    return element("label", { title: line.told }, box, swatch, line.name);
  });
}

function cameras(model, plot) {
  const line = () => model.scene.lines.find((each) => each.kind === "fit") ?? model.scene.lines[0];
  const names = [["free", "At an angle"], ["top", "From above"], ["side", "From the side"],
    ...(line() ? [["along", "Along the track"]] : [])];
  return names.map(([kind, name]) => {
    const made = element("button", { type: "button" }, name);
    made.addEventListener("click", () => {
      const camera = { center: CENTRE, ...cameraOf(kind, line()?.travel) };
      window.Plotly.relayout(plot, { "scene.camera": camera });
    });
    return made;
  });
}

function fill(model, root, plot) {
  const { scene, colours } = model, strings = { type: "scatter3d", mode: "lines", ...scene.strings, opacity: 0.6,
    line: { color: colours.faint, width: 1 }, hoverinfo: "skip", name: "strings", connectgaps: false };
  const data = [strings, modulesTrace(scene, colours), ...scene.lines.map((line, at) => lineTrace(line, at, colours))];
  const full = sizes(scene.modules);
  const show = (time, out) => {
    const there = lit(scene, time), shown = new Set(there);
    window.Plotly.restyle(plot, { "marker.size": [full.map((size, at) => shown.has(at) ? size : 0)] }, [1]);
    const until = time >= scene.times.last ? "all light" : `${Math.round(time).toLocaleString("en").replace("-", "−")} ns`;
    out.textContent = `${until}: ${summary(scene.modules, there)}`;
  };
  window.Plotly.newPlot(plot, data, layoutOf(colours), { displayModeBar: false, responsive: true, displaylogo: false });
  const time = slider(model, show), play = player(model, time);
  root.querySelector(".controls").replaceChildren(
    element("div", { class: "row", role: "group", "aria-label": "time" }, ...play.controls, time.range, time.out),
    element("div", { class: "row", role: "group", "aria-label": "view" }, ...cameras(model, plot)),
    element("div", { class: "row", role: "group", "aria-label": "lines" }, ...lineSwitches(model, plot, colours)));
  time.set(scene.times.last);
  return play.stop;
}

export function render({ model }) {
  const plot = element("div", { class: "plot", role: "img", "aria-label": model.caption });
  const root = element("div", { class: `event ${model.theme}` }, plot, element("div", { class: "controls" }));
  let stop = () => {};
  const draw = () => {
    stop();
    if (!model.scene.modules) return;
    whenThere(() => window.Plotly && root.isConnected, () => {
      if (!root.querySelector("style")) adoptStyles(root);
      plot.setAttribute("aria-label", model.caption);
      stop = fill(model, root, plot);
    });
  };
  model.on("scene", draw);
  model.on("remove", () => { stop(); window.Plotly?.purge(plot); });
  draw();
  return root;
}
