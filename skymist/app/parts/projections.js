// The whole sky (Hammer) and the surroundings of a place (Lambert's azimuthal equal-area projection).
const DEG = Math.PI / 180;
const STEPS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 45, 90];

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
