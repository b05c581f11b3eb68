// The scrolling traces. Each pixel column is drawn once, into a strip that is used as a ring, and the strip is shown in two
// pieces: the cost of a frame is that of the columns that are new in it, whatever the rate and the span.

import { roundUp, Surface, theme } from "./draw.js";

const LAG_S = 0.05; // the playhead stays so far behind what has come, so that it never has to wait
const JUMP_S = 0.7; // further behind than this, it jumps
const FIT_EVERY_S = 1;
const SHRINK_BELOW = 0.25; // an automatic scale is kept while the signal fills more of it than this

export class Scope {
  constructor(canvas) {
    this.surface = new Surface(canvas);
    this.strip = document.createElement("canvas");
    this.pen = this.strip.getContext("2d");
    this.range = new Float64Array(2);
    this.layers = []; // [{ ring, colour, centred }], drawn in this order
    this.span = 5;
    this.scale = 0; // chosen by hand; 0: automatic
    this.fitted = 1;
    this.offsets = [];
    this.time = 0; // the playhead, seconds of patch time
    this.speed = 1;
    this.lastEnd = 0;
    this.shift = 0; // seconds that a paused view is moved back
    this.paused = false;
    this.nextFit = 0;
    this.dirty = true;
    this.columnsDrawn = 0;
  }

  /** Show streams: `layers` of rings, with the theme's name of each colour. */
  show(layers) {
    this.layers = layers;
    this.nextFit = 0;
    this.dirty = true;
  }

  get channels() {
    return Math.max(0, ...this.layers.map(({ ring }) => ring.channels.length));
  }

  get reach() {
    return this.scale || this.fitted;
  }

  /** Time at the right edge. */
  get edge() {
    return Math.max(0, this.time - this.shift);
  }

  pan(seconds) {
    const first = Math.max(...this.layers.map(({ ring }) => ring.first / ring.rate));
    this.shift = Math.min(Math.max(0, this.shift + seconds), Math.max(0, this.time - first - this.span / 10));
    this.dirty = true;
  }

  /** Move the playhead on by a frame of `dt` seconds. */
  advance(dt) {
    const end = Math.min(...this.layers.filter(({ ring }) => ring.begun).map(({ ring }) => (ring.end - 1) / ring.rate));
    if (!Number.isFinite(end)) return;
    if (end > this.lastEnd && dt > 0) {
      this.speed += ((end - this.lastEnd) / dt - this.speed) * Math.min(1, dt);
    } else if (dt > 0) {
      this.speed -= this.speed * Math.min(1, dt);
    }
    this.lastEnd = end;
    if (this.paused) return;
    const behind = end - LAG_S - this.time;
    if (Math.abs(behind) > JUMP_S) this.time = Math.max(0, end - LAG_S);
    else this.time = Math.min(end, Math.max(this.time, this.time + dt * this.speed + behind * Math.min(1, 2 * dt)));
  }

  /** Choose a scale that fits what is seen, and offsets that centre it; whether either had to change. */
  fit(force) {
    const before = this.fitted, moved = [];
    const reaches = [];
    for (const [k, { ring, centred }] of this.layers.entries()) {
      const offsets = this.offsets[k] ??= [];
      for (let c = 0; c < ring.channels.length; c++) {
        const { n, mean, reach, high } = ring.measure(c, Math.floor(this.edge * ring.rate) + 1, Math.min(this.span, 5));
        if (!n) continue;
        reaches.push(centred ? reach : high);
        if (!centred) offsets[c] = 0;
        else if (force || Math.abs(mean - (offsets[c] ?? 0)) > this.reach / 4) {
          offsets[c] = mean;
          moved.push(c);
        }
      }
    }
    // Three of four channels fit; one with mains on it shall not flatten the others.
    reaches.sort((a, b) => a - b);
    const wanted = roundUp(1.15 * (reaches[Math.floor(reaches.length * 0.75)] ?? 1));
    if (force || wanted > this.fitted || wanted < this.fitted * SHRINK_BELOW) this.fitted = wanted;
    return this.fitted !== before || moved.length > 0;
  }

  draw(now, events) {
    const { surface } = this;
    if (surface.fit()) this.dirty = true;
    const { width, height } = surface.canvas;
    if (!this.layers.length || !this.channels) return;
    if (!this.paused && now >= this.nextFit) {
      const first = this.nextFit === 0;
      this.nextFit = now + FIT_EVERY_S * 1000;
      if (this.fit(first)) this.dirty = true;
    }
    const seconds = this.span / width; // a column's
    const head = Math.floor(this.edge / seconds);
    if (this.dirty || head < this.head || head - this.head > width) {
      if (this.strip.width !== width || this.strip.height !== height) {
        this.strip.width = width;
        this.strip.height = height;
      }
      this.dirty = false;
      this.head = head - width;
    }
    this.drawColumns(this.head, head, seconds);
    this.head = head;
    this.compose(head, seconds, events);
  }

  /** Draw columns first .. last-1 into the strip. */
  drawColumns(first, last, seconds) {
    const { pen, strip, range } = this;
    const { width, height } = strip;
    const lane = height / this.channels, half = lane / 2;
    const thick = Math.max(1, Math.round(this.surface.ratio));
    for (let column = first; column < last; column++) pen.clearRect(((column % width) + width) % width, 0, 1, height);
    for (const [k, { ring, colour, centred }] of this.layers.entries()) {
      pen.fillStyle = theme[colour];
      const perColumn = seconds * ring.rate, gain = (centred ? half : lane) / this.reach * 0.96;
      for (let c = 0; c < ring.channels.length; c++) {
        const top = c * lane, zero = top + (centred ? half : lane - thick), offset = this.offsets[k]?.[c] ?? 0;
        for (let column = Math.max(first, 0); column < last; column++) {
          const x = column % width;
          if (!ring.range(c, column * perColumn, (column + 1) * perColumn, range)) {
            if (column * perColumn > ring.first) {
              pen.fillStyle = theme.gap;
              pen.fillRect(x, top + 1, 1, lane - 2);
              pen.fillStyle = theme[colour];
            }
            continue;
          }
          const high = Math.max(top, zero - (range[1] - offset) * gain), low = Math.min(top + lane, zero - (range[0] - offset) * gain);
          const size = Math.max(thick, low - high);
          pen.fillRect(x, Math.min(Math.max(top, (high + low - size) / 2), top + lane - thick), 1, size);
        }
      }
    }
    this.columnsDrawn += Math.max(0, last - first);
  }

  /** Show the strip, oldest column left, under grid and events. */
  compose(head, seconds, events) {
    const { surface, strip } = this, c = surface.context;
    const { width, height } = strip;
    const lane = height / this.channels, ratio = surface.ratio;
    c.setTransform(1, 0, 0, 1, 0, 0);
    c.clearRect(0, 0, width, height);
    c.fillStyle = theme.grid;
    for (let k = 1; k < this.channels; k++) c.fillRect(0, Math.round(k * lane), width, 1);
    for (let k = 1; k < 10; k++) c.fillRect(Math.round(k * width / 10), 0, 1, height);
    const split = ((head % width) + width) % width;
    if (split < width) c.drawImage(strip, split, 0, width - split, height, 0, 0, width - split, height);
    if (split > 0) c.drawImage(strip, 0, 0, split, height, width - split, 0, split, height);
    c.font = `${11 * ratio}px system-ui, sans-serif`;
    c.textBaseline = "top";
    for (let k = events.length - 1; k >= 0; k--) {
      const x = width - (head - Math.floor(events[k].time / seconds));
      if (x < 0) break;
      if (x > width || events[k].quiet) continue;
      c.fillStyle = events[k].kind === "mark" ? theme.second : theme.bad;
      c.fillRect(x, 0, Math.max(1, ratio), height);
      c.textAlign = x > width * 0.8 ? "right" : "left";
      c.fillText(events[k].text.slice(0, 40), x + (x > width * 0.8 ? -4 : 4) * ratio, 3 * ratio);
    }
  }
}
