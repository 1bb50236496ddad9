// The map of a scan as far as it is: the whole sky, and the surroundings of the best fit. Images come as numbers of
// likelihood, which get the colours of the theme here; lines are drawn by this page's own pixels.
const DEG = Math.PI / 180;
const STEPS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 45, 90];
const BAR = 44, TOLD_MS = 5000, CALM_MS = 1000, KEPT = 1000;
const PARTS = ["sky_image", "near_image", "sky", "near"];

// ---- positions: vectors in ICRS and in the frame of the whole sky

const unit = (lon, lat) => [Math.cos(lat) * Math.cos(lon), Math.cos(lat) * Math.sin(lon), Math.sin(lat)];
const angles = ([x, y, z]) => [(Math.atan2(y, x) + 2 * Math.PI) % (2 * Math.PI), Math.atan2(z, Math.hypot(x, y))];
const turned = (turn, [x, y, z]) => turn.map((row) => row[0] * x + row[1] * y + row[2] * z);
const transposed = (turn) => turn[0].map((_, column) => turn.map((row) => row[column]));

function stepOf(span, most = 5) { return STEPS.find((step) => span / step <= most) ?? 90; }
function signed(degrees, places) {
  const text = Math.abs(degrees).toFixed(places);
  return (Number(text) === 0 ? "" : degrees < 0 ? "−" : "+") + text + "°";
}
function placesOf(step) { return Math.max(0, Math.ceil(-Math.log10(step) - 1e-9)); }

function sexagesimal(value, units, places) {
  const scale = 10 ** places;
  let rest = Math.round(value * 3600 * scale);
  const small = rest % (60 * scale);
  rest = (rest - small) / (60 * scale);
  const seconds = (small / scale).toFixed(places).padStart(places ? 3 + places : 2, "0");
  return `${String(Math.floor(rest / 60)).padStart(2, "0")}${units[0]}${String(rest % 60).padStart(2, "0")}${units[1]}${seconds}${units[2]}`;
}

function written([ra, dec], how) {
  if (how !== "hms") return `RA ${(((ra / DEG) % 360 + 360) % 360).toFixed(2)}°, Dec ${signed(dec / DEG, 2)}`;
  const sign = dec < 0 ? "−" : "+";
  return `RA ${sexagesimal((ra / DEG / 15) % 24, "hms", 1)}, Dec ${sign}${sexagesimal(Math.abs(dec) / DEG, "°′″", 0)}`;
}

function inFrame(sky, vector) {
  const [lon, lat] = angles(turned(sky.turn, vector));
  if (sky.frame === "galactic") return `, l ${(lon / DEG).toFixed(2)}°, b ${signed(lat / DEG, 2)}`;
  if (sky.frame === "local") return `, zenith ${(90 - lat / DEG).toFixed(2)}°, azimuth ${(lon / DEG).toFixed(2)}°`;
  return "";
}

// ---- the two projections, from and to the pixels of their images

class Sky {
  constructor(about) { Object.assign(this, about, { back: transposed(about.turn) }); }
  place(lon, lat) {
    const far = (((this.middle * DEG - lon + Math.PI) % (2 * Math.PI)) + 2 * Math.PI) % (2 * Math.PI) - Math.PI;
    return this.ellipse(far, lat);
  }
  ellipse(far, lat) {
    const scale = 1 / Math.sqrt(1 + Math.cos(lat) * Math.cos(far / 2));
    const x = 2 * scale * Math.cos(lat) * Math.sin(far / 2), y = scale * Math.sin(lat);
    return [(x + 2) * this.width / 4, (1 - y) * this.height / 2];
  }
  vector(column, row) {
    const x = 4 * column / this.width - 2, y = 1 - 2 * row / this.height;
    const square = x * x / 8 + y * y / 2;
    if (square > 0.5) return null;
    const z = Math.sqrt(1 - square);
    const far = 2 * Math.atan2(z * x / Math.SQRT2, 2 * z * z - 1);
    return turned(this.back, unit(this.middle * DEG - far, Math.asin(Math.max(-1, Math.min(1, z * y * Math.SQRT2)))));
  }
  outline(pen) { pen.ellipse(this.width / 2, this.height / 2, this.width / 2, this.height / 2, 0, 0, 2 * Math.PI); }
  lines() {
    const found = [];
    const walk = (from, to, n, at) => Array.from({ length: n + 1 }, (_, k) => at(from + (to - from) * k / n));
    for (let lat = -60; lat <= 60; lat += 30)
      found.push(walk(-Math.PI, Math.PI, 120, (far) => this.ellipse(far, lat * DEG)));
    for (let far = -120; far <= 120; far += 60)
      found.push(walk(-Math.PI / 2, Math.PI / 2, 60, (lat) => this.ellipse(far * DEG, lat)));
    return found;
  }
  names(how) {
    const found = [];
    for (let lat = -60; lat <= 60; lat += 30) {
      const [x, y] = this.ellipse(-Math.PI, lat * DEG);
      const text = this.frame === "local" ? `${90 - lat}°` : signed(lat, 0);
      found.push({ text, x: x - 4, y, align: "right", base: "middle" });
    }
    for (let far = -120; far <= 120; far += 60) {
      const [x, y] = this.ellipse(far * DEG, 0);
      const degrees = ((this.middle - far) % 360 + 360) % 360;
      const text = how === "hms" && this.frame === "equatorial" ? `${degrees / 15}h` : `${degrees}°`;
      found.push({ text, x, y: y + 3, align: "center", base: "top" });
    }
    return found;
  }
}

class Plane {
  constructor(about) {
    Object.assign(this, about);
    const [ra, dec] = [about.ra * DEG, about.dec * DEG];
    this.out = unit(ra, dec);
    this.east = [-Math.sin(ra), Math.cos(ra), 0];
    const [ox, oy, oz] = this.out, [ex, ey, ez] = this.east;
    this.north = [oy * ez - oz * ey, oz * ex - ox * ez, ox * ey - oy * ex];
    this.step = 2 * this.size / this.width;
  }
  place(ra, dec) {
    const vector = unit(ra, dec);
    const [x, y, z] = [this.east, this.north, this.out].map((axis) => axis.reduce((sum, a, k) => sum + a * vector[k], 0));
    const scale = Math.sqrt(2 / Math.max(1 + z, 1e-15)) / this.step;
    return [this.width / 2 - scale * x, this.height / 2 - scale * y];
  }
  vector(column, row) {
    const x = (this.width / 2 - column) * this.step, y = (this.height / 2 - row) * this.step;
    const square = x * x + y * y;
    if (square > 4) return null;
    const side = Math.sqrt(1 - square / 4);
    return this.out.map((out, k) => side * (x * this.east[k] + y * this.north[k]) + (1 - square / 2) * out);
  }
  outline(pen) { pen.rect(0, 0, this.width, this.height); }
  // How far the image reaches to the east of its middle, and in declination; and whether a pole is in it.
  reach() {
    if (this.known) return this.known;
    let [west, east, low, high] = [Infinity, -Infinity, Infinity, -Infinity];
    for (let k = 0; k <= 100; k++) {
      const at = this.width * k / 100;
      for (const [x, y] of [[at, 0], [at, this.height], [0, at], [this.width, at]]) {
        const [ra, dec] = angles(this.vector(x, y) ?? this.out).map((angle) => angle / DEG);
        const far = ((ra - this.ra + 540) % 360) - 180;
        [west, east, low, high] = [Math.min(west, far), Math.max(east, far), Math.min(low, dec), Math.max(high, dec)];
      }
    }
    const holds = (sign) => { const [x, y] = this.place(0, sign * Math.PI / 2);
      return x >= 0 && x <= this.width && y >= 0 && y <= this.height; };
    const pole = holds(1) ? 1 : holds(-1) ? -1 : 0;
    if (pole) [west, east, low, high] = [-180, 180, pole < 0 ? -90 : low, pole > 0 ? 90 : high];
    this.known = { west, east, low, high, ra: pole ? 45 : stepOf(east - west), dec: stepOf(high - low) };
    return this.known;
  }
  curves() {
    const { west, east, low, high, ra, dec } = this.reach();
    const found = [];
    for (let k = Math.ceil((this.ra + west) / ra); k * ra <= this.ra + east; k++) {
      if (east - west === 360 && k * ra === this.ra + east) continue;
      found.push({ kind: "ra", degrees: ((k * ra) % 360 + 360) % 360, step: ra, points: Array.from({ length: 81 },
        (_, n) => this.place(k * ra * DEG, (low + (high - low) * n / 80) * DEG)) });
    }
    for (let k = Math.ceil(low / dec); k * dec <= high; k++)
      found.push({ kind: "dec", degrees: k * dec, step: dec, points: Array.from({ length: 81 },
        (_, n) => this.place((this.ra + east + (west - east) * n / 80) * DEG, k * dec * DEG)) });
    return found;
  }
  lines() { return this.curves().map((curve) => curve.points); }
  names(how) {
    const inside = ([x, y]) => x >= 0 && x <= this.width && y >= 0 && y <= this.height;
    return this.curves().flatMap(({ kind, degrees, step, points }) => {
      const at = points.find(inside);
      if (!at) return [];
      if (kind === "dec") return at[0] > 0.3 * this.width ? [] : [{ text: signed(degrees, placesOf(step)), x: 4, y: at[1] - 2, align: "left", base: "bottom" }];
      const places = placesOf(step);
      const text = how === "hms" ? `${sexagesimal(degrees / 15, "hms", 0).replace(/m00s$/, "m")}` : `${degrees.toFixed(places)}°`;
      const x = Math.min(Math.max(at[0], 22), this.width - 22);
      return at[1] < 0.7 * this.height ? [] : [{ text, x, y: this.height - 4, align: "center", base: "bottom" }];
    });
  }
}

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
