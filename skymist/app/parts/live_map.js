// The map of a scan as far as it is: the whole sky, and the surroundings of the best fit. Images come as numbers of
// likelihood, which get the colours of the theme here; lines are drawn by this page's own pixels.
const BAR = 44, TOLD_MS = 5000, CALM_MS = 1000, KEPT = 1000;
const PARTS = ["sky_image", "near_image", "sky", "near"];

// ---- one image with all that is drawn upon it

class Chart {
  constructor(page, kind, title) {
    this.page = page;
    this.kind = kind;
    this.canvas = element("canvas", { tabindex: "0", role: "img", "aria-label": title });
    this.caption = element("figcaption");
    this.title = title;
    this.figure = element("figure", { class: kind }, this.caption, this.canvas);
    this.cells = document.createElement("canvas");
    this.cursor = null;
    this.canvas.addEventListener("pointermove", (event) => this.point(event));
    this.canvas.addEventListener("pointerleave", () => this.aim(null));
    this.canvas.addEventListener("keydown", (event) => this.press(event));
    this.canvas.addEventListener("blur", () => this.aim(null));
  }

  async take(about, image) {
    const decoded = image === this.image ? null : await this.decode(image);
    return () => {
      this.about = this.kind === "sky" ? new Sky(about) : new Plane(about);
      if (decoded) [this.image, this.numbers] = [image, decoded];
      this.colour();
    };
  }

  async decode(image) {
    const bytes = Uint8Array.from(atob(image), (letter) => letter.charCodeAt(0));
    const how = { colorSpaceConversion: "none", premultiplyAlpha: "none" };
    const bitmap = await createImageBitmap(new Blob([bytes], { type: "image/png" }), how);
    const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
    const pen = canvas.getContext("2d", { willReadFrequently: true });
    pen.drawImage(bitmap, 0, 0);
    const { data } = pen.getImageData(0, 0, bitmap.width, bitmap.height);
    const numbers = new Uint8Array(data.length / 4);
    for (let k = 0; k < numbers.length; k++) numbers[k] = data[4 * k];
    bitmap.close();
    return numbers;
  }

  // Give the numbers colours, from which the canvas is drawn whenever that is needed.
  colour() {
    const { width, height } = this.about;
    if (this.coloured === this.numbers) return;
    this.coloured = this.numbers;
    [this.cells.width, this.cells.height] = [width, height];
    const image = new ImageData(width, height);
    const pixels = new Uint32Array(image.data.buffer);
    for (let k = 0; k < pixels.length; k++) pixels[k] = this.page.shades[this.numbers[k]];
    this.cells.getContext("2d").putImageData(image, 0, 0);
  }

  resize() {
    if (!this.about) return;
    const ratio = window.devicePixelRatio || 1, wide = this.canvas.clientWidth;
    if (!wide) return;
    const high = Math.round(wide * this.about.height / this.about.width) + BAR;
    this.canvas.style.height = `${high}px`;
    const [width, height] = [Math.round(wide * ratio), Math.round(high * ratio)];
    if (this.canvas.width !== width || this.canvas.height !== height) [this.canvas.width, this.canvas.height] = [width, height];
    this.scale = wide / this.about.width;
  }

  draw() {
    if (!this.about) return;
    this.resize();
    if (!this.scale) return;
    const pen = this.canvas.getContext("2d"), ratio = window.devicePixelRatio || 1;
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, this.canvas.width, this.canvas.height);
    pen.save();
    pen.scale(this.scale, this.scale);
    pen.beginPath();
    this.about.outline(pen);
    pen.save();
    pen.clip();
    pen.fillStyle = this.page.colours.missing;
    pen.fillRect(0, 0, this.about.width, this.about.height);
    pen.imageSmoothingEnabled = true;
    pen.imageSmoothingQuality = "high";
    pen.drawImage(this.cells, 0, 0);
    pen.restore();
    pen.restore();
    this.drawLines(pen);
    this.drawContours(pen);
    this.drawBest(pen);
    if (this.kind === "near") this.drawScale(pen);
    this.drawBar(pen);
    this.drawCursor(pen);
  }

  trace(pen, points) {
    pen.beginPath();
    points.forEach(([x, y], k) => (k ? pen.lineTo(x * this.scale, y * this.scale) : pen.moveTo(x * this.scale, y * this.scale)));
  }

  clipped(pen, act) {
    pen.save();
    pen.save();
    pen.scale(this.scale, this.scale);
    pen.beginPath();
    this.about.outline(pen);
    pen.restore();
    pen.clip();
    act();
    pen.restore();
  }

  write(pen, text, x, y, align = "center", base = "middle", size = 11) {
    pen.font = `${size}px Roboto, sans-serif`;
    [pen.textAlign, pen.textBaseline, pen.lineJoin] = [align, base, "round"];
    [pen.strokeStyle, pen.lineWidth] = [this.page.colours.paper, 3];
    pen.strokeText(text, x, y);
    pen.fillStyle = this.page.colours.ink;
    pen.fillText(text, x, y);
  }

  drawLines(pen) {
    const { faint, ink } = this.page.colours;
    this.clipped(pen, () => {
      [pen.strokeStyle, pen.lineWidth] = [faint, 0.6];
      for (const points of this.about.lines()) { this.trace(pen, points); pen.stroke(); }
    });
    pen.save();
    pen.scale(this.scale, this.scale);
    pen.beginPath();
    this.about.outline(pen);
    pen.restore();
    [pen.strokeStyle, pen.lineWidth] = [ink, 1];
    pen.stroke();
    for (const { text, x, y, align, base } of this.about.names(this.page.angles))
      this.write(pen, text, x * this.scale, y * this.scale, align, base);
  }

  drawContours(pen) {
    const { inner, outer, paper } = this.page.colours;
    this.clipped(pen, () => this.about.contours.forEach((paths, which) => {
      for (const [colour, width, dash] of [[paper, 4, []], [which ? outer : inner, 2, which ? [] : [6, 3]]]) {
        [pen.strokeStyle, pen.lineWidth, pen.globalAlpha] = [colour, width, colour === paper ? 0.6 : 1];
        pen.setLineDash(dash);
        for (const path of paths) { this.trace(pen, this.points(path)); pen.stroke(); }
      }
      pen.setLineDash([]);
    }));
  }

  points(path) {
    const found = [];
    let [x, y] = [0, 0];
    for (let k = 0; k < path.length; k += 2) {
      x += path[k];
      y += path[k + 1];
      found.push([x * this.page.facts.fraction, y * this.page.facts.fraction]);
    }
    return found;
  }

  drawBest(pen) {
    const [x, y] = this.about.best.map((each) => each * this.scale);
    for (const [colour, width] of [[this.page.colours.paper, 5], [this.page.colours.mark, 2.2]]) {
      [pen.strokeStyle, pen.lineWidth] = [colour, width];
      pen.beginPath();
      for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
        pen.moveTo(x + 3 * dx, y + 3 * dy);
        pen.lineTo(x + 10 * dx, y + 10 * dy);
      }
      pen.stroke();
    }
  }

  drawScale(pen) {
    const step = [...STEPS].reverse().find((each) => each <= this.about.side_deg / 4) ?? STEPS[0];
    const long = step * DEG / this.about.step * this.scale, right = this.about.width * this.scale - 12;
    const text = step >= 1 ? `${step}°` : step * 60 >= 1 ? `${Number((step * 60).toPrecision(2))}′` : `${Number((step * 3600).toPrecision(2))}″`;
    for (const [colour, width] of [[this.page.colours.paper, 5], [this.page.colours.ink, 2]]) {
      [pen.strokeStyle, pen.lineWidth] = [colour, width];
      pen.beginPath();
      pen.moveTo(right - long, 22);
      pen.lineTo(right, 22);
      pen.stroke();
    }
    this.write(pen, text, right - long / 2, 12);
  }

  drawBar(pen) {
    const top = this.about.height * this.scale + 8, wide = Math.min(this.about.width * this.scale, 420) - 96;
    const { ink, inner, outer } = this.page.colours, shades = this.page.colours.cells;
    shades.forEach((shade, k) => {
      const [left, right] = [k, k + 1].map((each) => Math.round(8 + each * wide / shades.length));
      pen.fillStyle = shade;
      pen.fillRect(left, top, right - left, 10);
    });
    [pen.strokeStyle, pen.lineWidth] = [ink, 1];
    pen.strokeRect(8, top, wide, 10);
    const at = (ts) => 8 + wide * Math.sqrt(Math.min(1, ts / this.about.top));
    this.page.facts.regions.forEach((region, which) => {
      if (region.ts === null || region.ts > this.about.top) return;
      [pen.strokeStyle, pen.lineWidth] = [which ? outer : inner, 3];
      pen.setLineDash(which ? [] : [4, 2]);
      pen.beginPath();
      pen.moveTo(at(region.ts), top - 3);
      pen.lineTo(at(region.ts), top + 13);
      pen.stroke();
      pen.setLineDash([]);
    });
    for (const share of [0, 1 / 16, 1 / 4, 9 / 16, 1]) {
      const ts = share * this.about.top;
      this.write(pen, (share === 1 ? "≥ " : "") + Number(ts.toPrecision(2)).toLocaleString("en"), at(ts), top + 16, "center", "top");
    }
    this.write(pen, "TS = −2 Δ ln L", 16 + wide, top + 5, "left");
  }

  drawCursor(pen) {
    if (!this.cursor || !this.byKey) return;
    const [x, y] = this.cursor.map((each) => each * this.scale);
    for (const [colour, width] of [[this.page.colours.paper, 4], [this.page.colours.ink, 1.5]]) {
      [pen.strokeStyle, pen.lineWidth] = [colour, width];
      pen.beginPath();
      pen.arc(x, y, 7, 0, 2 * Math.PI);
      pen.stroke();
    }
  }

  point(event) {
    if (!this.scale) return;
    const box = this.canvas.getBoundingClientRect();
    this.aim([(event.clientX - box.left) / this.scale, (event.clientY - box.top) / this.scale]);
  }

  press(event) {
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (!this.about || !(event.key in moves || event.key === "Home")) return;
    event.preventDefault();
    const [dx, dy] = (moves[event.key] ?? [0, 0]).map((each) => each * (event.shiftKey ? 10 : 1));
    const [x, y] = event.key === "Home" || !this.cursor ? this.about.best : this.cursor;
    this.aim([Math.min(Math.max(x + dx, 0), this.about.width - 1), Math.min(Math.max(y + dy, 0), this.about.height - 1)], true);
  }

  aim(cursor, byKey = false) {
    const redraw = byKey || this.byKey;
    [this.cursor, this.byKey] = [cursor, byKey];
    this.page.read(this);
    if (redraw) this.draw();
  }

  // What is at the cursor, in words.
  said() {
    if (!this.cursor || !this.about || !this.numbers) return "";
    const [x, y] = this.cursor, { width, height, top } = this.about;
    const vector = x >= 0 && y >= 0 && x < width && y < height ? this.about.vector(x, y) : null;
    if (!vector) return "";
    const number = this.numbers[Math.floor(y) * width + Math.floor(x)], highest = this.page.facts.highest;
    const ts = top * ((number - 1) / (highest - 1)) ** 2;
    const shown = Number(ts.toPrecision(ts < 10 ? 1 : 2)).toLocaleString("en");
    const value = number === 0 ? "not looked at yet" : number === highest ? `TS ≥ ${shown}` : `TS ≈ ${shown}`;
    const frame = this.page.sky.about ? inFrame(this.page.sky.about, vector) : "";
    return `${written(angles(vector), this.page.angles)}${frame}: ${value}`;
  }
}

// ---- the page

class Page {
  constructor(model) {
    this.model = model;
    [this.colours, this.angles, this.facts] = [model.colours, model.angles, { version: 0 }];
    this.shades = this.shadesOf(model.colours);
    this.sky = new Chart(this, "sky", "Map of the whole sky");
    this.near = new Chart(this, "near", "Map of the surroundings of the best fit");
    this.maps = element("div", { class: "maps" }, this.sky.figure, this.near.figure);
    this.empty = element("p", { class: "empty" }, "The map is being fetched.");
    this.legend = element("div", { class: "legend" });
    this.legend.innerHTML = this.keys();
    this.readout = element("p", { class: "readout", "aria-live": "off" });
    this.line = element("p", { class: "line" });
    this.trouble = element("p", { class: "trouble", role: "alert" });
    this.told = element("p", { class: "told", role: "status" });
    this.maps.append(element("div", { class: "words" }, this.legend, this.readout, this.line));
    this.root = element("div", { class: "live" }, this.empty, this.maps, this.trouble, this.told);
    this.maps.hidden = true;
    this.calm = window.matchMedia("(prefers-reduced-motion: reduce)");
    [this.lastTold, this.lastShown, this.sizes] = [-Infinity, -Infinity, {}];
  }

  // The colour of each number, as bytes of a pixel; where nothing is known the ground shows.
  shadesOf({ cells }) {
    const shades = new Uint32Array(256);
    for (let k = 1; k < 256; k++) {
      const hex = parseInt(cells[Math.min(k, cells.length) - 1].slice(1), 16);
      shades[k] = (255 << 24) | ((hex & 255) << 16) | (((hex >> 8) & 255) << 8) | (hex >> 16);
    }
    return shades;
  }

  keys() {
    const stroke = (colour, dash) => `<svg width="30" height="12" aria-hidden="true"><path d="M0 6h30" stroke="${colour}" stroke-width="2.5" stroke-dasharray="${dash}"/></svg>`;
    const cross = `<svg width="16" height="16" aria-hidden="true"><path d="M8 0v6M8 10v6M0 8h6M10 8h6" stroke="${this.colours.mark}" stroke-width="2.2"/></svg>`;
    return `<span>${cross}best fit</span><span>${stroke(this.colours.inner, "6 3")}50 % region</span><span>${stroke(this.colours.outer, "")}90 % region</span>`;
  }

  // What came: it waits if it changes things too fast for who wants calm.
  changed() {
    this.say();
    if (this.pending) return;
    const wait = this.calm.matches ? Math.max(0, this.lastShown + CALM_MS - performance.now()) : 0;
    this.pending = true;
    setTimeout(() => { this.pending = false; this.update(); }, wait);
  }

  async update() {
    const { facts, sky, near, sky_image: skyImage, near_image: nearImage } = this.model;
    const found = JSON.parse(facts);
    if (found.words) this.empty.textContent = found.words;
    if (!found.version || !sky || !near || found.version === this.facts.version) return;
    if (this.busy) { this.again = true; return; }
    this.busy = true;
    const done = await Promise.all([this.sky.take(JSON.parse(sky), skyImage), this.near.take(JSON.parse(near), nearImage)]);
    this.facts = found;
    for (const act of done) act();
    const bytes = this.bytes();
    this.show();
    requestAnimationFrame(() => {
      this.draw();
      requestAnimationFrame(() => {
        (window.skymistDrawn ??= []).push({ version: found.version, ms: Date.now() - found.stored, bytes });
        if (window.skymistDrawn.length > KEPT) window.skymistDrawn.shift();
      });
    });
    this.lastShown = performance.now();
    this.busy = false;
    if (this.again) { this.again = false; this.update(); }
  }

  // How much came, of what is not what it was before.
  bytes() {
    let sum = this.model.facts.length;
    for (const part of PARTS) {
      if (this.sizes[part] !== this.model[part]) sum += this.model[part].length;
      this.sizes[part] = this.model[part];
    }
    return sum;
  }

  show() {
    [this.empty.hidden, this.maps.hidden] = [true, false];
    const { near, sky } = { near: this.near.about, sky: this.sky.about };
    this.sky.caption.replaceChildren(element("b", {}, "Whole sky"), ` · Hammer, ${sky.title}`);
    this.near.caption.replaceChildren(element("b", {}, "Around the best fit"), ` · ${Number(near.side_deg.toPrecision(2))}° wide, ICRS, north up, east left`);
    this.line.textContent = this.facts.line;
    for (const chart of [this.sky, this.near])
      chart.canvas.setAttribute("aria-label", `${chart.title}: ${this.facts.line}. Arrow keys read positions, Home the best fit.`);
    this.say();
  }

  // Tell who listens, now and then only.
  say() {
    this.trouble.textContent = this.model.trouble;
    this.trouble.hidden = !this.model.trouble;
    if (!this.facts.line || this.saying) return;
    const wait = this.facts.complete ? 0 : Math.max(0, this.lastTold + TOLD_MS - performance.now());
    this.saying = setTimeout(() => {
      this.saying = null;
      this.lastTold = performance.now();
      if (this.told.textContent !== this.facts.line) this.told.textContent = this.facts.line;
    }, wait);
  }

  read(chart) {
    this.readout.setAttribute("aria-live", chart.byKey ? "polite" : "off");
    this.readout.textContent = chart.said();
  }

  draw() {
    for (const chart of [this.sky, this.near]) {
      chart.draw();
      if (chart.cursor) this.read(chart);
    }
  }
}

export function render({ model }) {
  const page = new Page(model);
  for (const name of [...PARTS, "facts", "trouble"]) model.on(name, () => page.changed());
  let wide = 0;
  const sizes = new ResizeObserver(([entry]) => {
    if (Math.abs(entry.contentRect.width - wide) < 0.5) return;
    wide = entry.contentRect.width;
    page.draw();
  });
  sizes.observe(page.root);
  model.on("remove", () => sizes.disconnect());
  page.changed();
  return page.root;
}
