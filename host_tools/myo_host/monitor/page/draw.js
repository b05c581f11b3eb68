// What all drawings share: crisp canvases, colours of the theme, round numbers.

const MAX_RATIO = 2; // more pixels than eyes have, at the cost of frames

/** Colours of the style sheet, read again when the theme changes. */
export const theme = {};

export function readTheme() {
  const style = getComputedStyle(document.documentElement);
  for (const name of ["bg", "card", "fg", "dim", "line", "grid", "trace", "raw", "second", "bad", "warn", "gap", "accent"]) {
    theme[name] = style.getPropertyValue(`--${name}`).trim();
  }
  theme.dark = matchMedia("(prefers-color-scheme: dark)").matches;
  theme.font = "11px system-ui, sans-serif";
}

/** Colour of a class: rest is grey, the others are far apart. */
export function classColour(index, labels) {
  if (index < 0) return theme.grid;
  if (/^(rest|none|idle)/i.test(labels[index] ?? "")) return theme.dim;
  const hue = (175 + index * 137.5) % 360;
  return `hsl(${hue} ${theme.dark ? 50 : 58}% ${theme.dark ? 62 : 42}%)`;
}

/** A canvas whose pixels are the screen's. `fit()` says whether its size changed; then it is empty. */
export class Surface {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.width = this.height = 0; // CSS pixels
    this.stale = true;
    new ResizeObserver(() => { this.stale = true; }).observe(canvas);
  }

  fit() {
    if (!this.stale) return false;
    this.stale = false;
    this.ratio = Math.min(window.devicePixelRatio || 1, MAX_RATIO);
    this.width = this.canvas.clientWidth;
    this.height = this.canvas.clientHeight;
    const w = Math.max(1, Math.round(this.width * this.ratio)), h = Math.max(1, Math.round(this.height * this.ratio));
    if (w === this.canvas.width && h === this.canvas.height) return false;
    this.canvas.width = w;
    this.canvas.height = h;
    return true;
  }

  /** Clear, and set units to CSS pixels. */
  begin() {
    this.fit();
    this.context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    this.context.clearRect(0, 0, this.width, this.height);
    this.context.font = theme.font;
    return this.context;
  }
}

/** 1, 2 or 5 times a power of ten, at least `value`. */
export function roundUp(value) {
  if (!(value > 0)) return 1;
  const decade = 10 ** Math.floor(Math.log10(value));
  const factor = [1, 2, 5, 10].find((f) => f * decade >= value * 0.999999);
  return factor * decade;
}

/** Tick values between two ends, about `n` of them. */
export function ticks(low, high, n) {
  const step = roundUp((high - low) / n), out = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high * (1 + 1e-9); k++) out.push(k * step);
  return out;
}

/** A number in three digits. */
export function short(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  const size = Math.abs(value);
  if (size >= 1e6) return `${(value / 1e6).toFixed(2)} M`;
  if (size >= 10000) return `${(value / 1000).toFixed(1)} k`;
  if (size >= 100 || value === 0) return value.toFixed(0);
  if (size >= 10) return value.toFixed(1);
  if (size >= 1) return value.toFixed(2);
  return value.toPrecision(2);
}

/** Seconds as minutes and hours. */
export function clock(seconds) {
  const s = Math.max(0, Math.floor(seconds)), hours = Math.floor(s / 3600);
  return `${hours ? `${hours}:` : ""}${String(Math.floor(s / 60) % 60).padStart(hours ? 2 : 1, "0")}:${String(s % 60).padStart(2, "0")}`;
}

/** A tick's number, without needless zeros. */
const plain = (value) => String(+value.toPrecision(3)).replace("-", "−");

/** Axes of a plot with room for labels; gives functions from values to pixels. */
export function axes(surface, { x, y, xTicks, yTicks, xText = plain, yText = plain, xLog = false }) {
  const c = surface.begin();
  const left = 34, right = surface.width - 6, top = 6, bottom = surface.height - 16;
  const along = xLog ? (v) => (Math.log(v) - Math.log(x[0])) / (Math.log(x[1]) - Math.log(x[0])) : (v) => (v - x[0]) / (x[1] - x[0]);
  const toX = (v) => left + along(v) * (right - left);
  const toY = (v) => bottom - (v - y[0]) / (y[1] - y[0]) * (bottom - top);
  c.fillStyle = theme.dim;
  c.strokeStyle = theme.grid;
  c.lineWidth = 1;
  c.beginPath();
  c.textAlign = "right";
  c.textBaseline = "middle";
  for (const v of yTicks) {
    c.moveTo(left, Math.round(toY(v)) + 0.5);
    c.lineTo(right, Math.round(toY(v)) + 0.5);
    c.fillText(yText(v), left - 4, toY(v));
  }
  c.textBaseline = "top";
  xTicks.forEach((v) => {
    c.moveTo(Math.round(toX(v)) + 0.5, top);
    c.lineTo(Math.round(toX(v)) + 0.5, bottom);
    const text = xText(v), half = c.measureText(text).width / 2;
    c.textAlign = "center";
    c.fillText(text, Math.min(Math.max(toX(v), left + half), right - half), bottom + 4);
  });
  c.stroke();
  return { c, toX, toY, left, right, top, bottom };
}
