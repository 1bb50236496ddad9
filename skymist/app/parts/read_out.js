// What is under the cursor, in words, below the maps: worked out here from what the maps show, without the server.
const RAD = Math.PI / 180;

// Right ascension and declination (degrees) of a place in a view; null where there is no sky.
export function skyOf(about, x, y) {
  return about.onto === "sky" ? ofEllipse(about, x, y) : ofPlane(about, x, y);
}

function ofPlane(about, x, y) { // zenithal equal-area (ZEA); x counts degrees to the west
  const far = Math.hypot(x, y) * RAD;
  if (far > 2) return null;
  if (far === 0) return [about.ra, about.dec];
  const angle = 2 * Math.asin(far / 2), [east, north] = [-x * RAD / far, y * RAD / far];
  const [sine, cosine] = [Math.sin(about.dec * RAD), Math.cos(about.dec * RAD)];
  const dec = Math.asin(clip(Math.cos(angle) * sine + north * Math.sin(angle) * cosine));
  const turn = Math.atan2(east * Math.sin(angle), cosine * Math.cos(angle) - north * sine * Math.sin(angle));
  return [turned(about.ra + turn / RAD), dec / RAD];
}

function ofEllipse(about, x, y) { // Hammer, in a frame that is turned against ICRS
  if (x * x / 4 + y * y > 1) return null;
  const z = Math.sqrt(1 - x * x / 8 - y * y / 2);
  const lon = about.middle - 2 * Math.atan2(z * x / Math.SQRT2, 2 * z * z - 1);
  const lat = Math.asin(clip(z * y * Math.SQRT2));
  return lonLat(backwards(about.turn, unit(lon / RAD, lat / RAD)));
}

const clip = (value) => Math.max(-1, Math.min(1, value));
const turned = (degrees) => ((degrees % 360) + 360) % 360;
const forwards = (turn, v) => turn.map((row) => row[0] * v[0] + row[1] * v[1] + row[2] * v[2]);
const backwards = (turn, v) => [0, 1, 2].map((at) => turn[0][at] * v[0] + turn[1][at] * v[1] + turn[2][at] * v[2]);

function unit(lon, lat) {
  const flat = Math.cos(lat * RAD);
  return [flat * Math.cos(lon * RAD), flat * Math.sin(lon * RAD), Math.sin(lat * RAD)];
}

function lonLat([x, y, z]) {
  return [turned(Math.atan2(y, x) / RAD), Math.atan2(z, Math.hypot(x, y)) / RAD];
}

// A position as the person sees positions; turns are rotations from ICRS by the name of the frame.
export function written(ra, dec, angles, turns) {
  if (angles === "hms") return `${hours(ra)} ${sixtieths(dec)}`;
  const turn = turns[angles];
  if (turn === undefined) return `${plain(ra)} ${signed(dec)}`;
  const [lon, lat] = lonLat(forwards(turn, unit(ra, dec)));
  return angles === "galactic" ? `l ${plain(lon)} b ${signed(lat)}` : `zen ${(90 - lat).toFixed(2)}° az ${plain(lon)}`;
}

const plain = (degrees) => `${(Math.round(turned(degrees) * 100) % 36000 / 100).toFixed(2)}°`;
const two = (number) => String(number).padStart(2, "0");

function signed(degrees) {
  const text = Math.abs(degrees).toFixed(2);
  return `${degrees < 0 && Number(text) > 0 ? "−" : "+"}${text}°`;
}

function hours(ra) {
  const tenths = Math.round(turned(ra) / 360 * 864000) % 864000, minutes = Math.floor(tenths / 600), rest = tenths % 600;
  return `${two(Math.floor(minutes / 60))}h${two(minutes % 60)}m${two(Math.floor(rest / 10))}.${rest % 10}s`;
}

function sixtieths(dec) {
  const seconds = Math.round(Math.abs(dec) * 3600), minutes = Math.floor(seconds / 60);
  return `${dec < 0 && seconds ? "−" : "+"}${two(Math.floor(minutes / 60))}°${two(minutes % 60)}′${two(seconds % 60)}″`;
}

// The value of an image at a place; NaN where there is none.
export function valueAt(data, x, y) {
  const image = data.image[0];
  if (image === undefined) return NaN;
  const [rows, columns] = image.shape;
  const [column, row] = [(x - data.x[0]) / data.dw[0] * columns, (y - data.y[0]) / data.dh[0] * rows].map(Math.floor);
  return column < 0 || column >= columns || row < 0 || row >= rows ? NaN : image[row * columns + column];
}

// What a map says of a value: TS, probability density and region; one follows from the other.
export function told(about, value) {
  if (Number.isNaN(value)) return "nothing was scanned here";
  if (about.shows === "change") return `ΔTS ${number(value)}`;
  const ts = about.shows === "ts" ? value : -2 * Math.log(value / about.peak);
  const density = about.shows === "ts" ? about.peak * Math.exp(-ts / 2) : value;
  const [half, ninety] = about.levels.map((level) => (level === null ? Infinity : level * (1 + 1e-6) + 1e-6));
  const region = ts <= half ? "in the 50 % region" : ts <= ninety ? "in the 90 % region" : "outside of the 90 % region";
  return `TS ${ts === Infinity ? "beyond 1000" : number(ts)} · ${number(density)} per deg² · ${region}`;
}

function number(value) {
  const text = Math.abs(value) >= 1e4 || (value !== 0 && Math.abs(value) < 1e-3)
    ? value.toExponential(1).replace(/e([+-])(\d+)/, (_, sign, power) => `×10^${sign === "-" ? "−" : ""}${power}`)
    : String(Number(value.toPrecision(3)));
  return text.replace(/^-/, "−");
}

export function sentence({ sources, here, x, y }, angles, turns) {
  const place = skyOf(sources[here].tags[0] ?? {}, x, y);
  if (place === null) return null;
  const maps = sources.filter((source) => source.tags.length && source.data.image.length).map((source) => {
    const about = source.tags[0], words = told(about, valueAt(source.data, x, y));
    return sources.length > 1 ? `${about.name}: ${words}` : words;
  });
  return [written(...place, angles, turns), ...maps];
}

export function render({ model }) {
  const root = document.createElement("div");
  root.className = `read-out ${model.theme}`;
  const line = root.appendChild(document.createElement("output"));
  line.setAttribute("aria-live", "off"); // a moving cursor is no news
  line.setAttribute("aria-label", "under the cursor");
  const show = (detail) => {
    const words = detail.sources && detail.sources[detail.here].tags.length ? sentence(detail, model.angles, model.turns) : null;
    line.replaceChildren(...(words ?? [model.idle]).map((text, at) => {
      const part = document.createElement("span");
      part.className = words && at === 0 ? "place" : "";
      part.textContent = text;
      return part;
    }));
  };
  show({});
  const listen = (event) => show(event.detail);
  window.addEventListener("skymist-cursor", listen);
  model.on("remove", () => window.removeEventListener("skymist-cursor", listen));
  return root;
}
