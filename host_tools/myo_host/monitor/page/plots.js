// Spectrum, fatigue trend and latency histogram of the page.

import { axes, clock, short, Surface, theme, ticks } from "./draw.js";
import { Rows } from "./store.js";

const DECADES_DB = 70; // shown of a spectrum
const FIRST_EDGE_MS = 0.01, BINS_A_DECADE = 12; // of LATENCY_EDGES_MS in session.py

export class Spectrum {
  constructor(canvas) {
    this.surface = new Surface(canvas);
    this.packets = new Map();
    this.top = NaN;
  }

  take(packet) {
    this.packets.set(packet.stream, packet);
  }

  draw(channel, streams) {
    const shown = [...this.packets.values()].filter((p) => channel < p.channels && streams.has(p.stream));
    if (!shown.length) return "";
    const nyquist = Math.max(...shown.map((p) => (p.n - 1) * p.first));
    const lines = shown.map((p) => p.values.subarray(channel * p.n, (channel + 1) * p.n));
    const peak = 20 * Math.log10(Math.max(1e-9, ...lines.map((line) => line.slice(1).reduce((a, b) => Math.max(a, b), 0))));
    const wanted = Math.ceil((peak + 3) / 10) * 10;
    if (!(wanted <= this.top && wanted > this.top - 20)) this.top = wanted;
    const y = [this.top - DECADES_DB, this.top];
    const { c, toX, toY, top, bottom } = axes(this.surface, {
      x: [0, nyquist], y, xTicks: ticks(0, nyquist, 5), yTicks: ticks(y[0], y[1], 4), xText: (v) => `${+v.toPrecision(3)}${v ? "" : " Hz"}`,
    });
    c.save();
    c.beginPath();
    c.rect(0, top, this.surface.width, bottom - top);
    c.clip();
    shown.forEach((p, k) => {
      const line = lines[k];
      c.strokeStyle = p.stream ? theme.trace : theme.raw;
      c.lineWidth = p.stream ? 1.5 : 1;
      c.beginPath();
      for (let bin = 0; bin < p.n; bin++) c.lineTo(toX(bin * p.first), toY(20 * Math.log10(Math.max(1e-9, line[bin]))));
      c.stroke();
    });
    c.restore();
    let loudest = 1;
    const line = lines[lines.length - 1], last = shown[shown.length - 1];
    for (let bin = 1; bin < line.length; bin++) if (line[bin] > line[loudest]) loudest = bin;
    return `${short(loudest * last.first)} Hz`;
  }
}

export class Trend {
  constructor(canvas) {
    this.surface = new Surface(canvas);
    this.stale = true;
  }

  /** Forget; `capacity` seconds of so many channels from now on: mean and median frequency and RMS of each. */
  clear(capacity, channels) {
    this.rows = new Rows(capacity, 3 * channels);
    this.channels = channels;
    this.slopes = [];
  }

  take({ points, slopes }) {
    const { rows } = this;
    for (const [time, values] of points) {
      if (!rows.end || time > rows.time(rows.end - 1)) rows.push(time, values.flat().map((v) => v ?? NaN));
    }
    this.slopes = slopes;
    this.stale = true;
  }

  /** Draw a channel's frequencies; return what its slopes say, or nothing where that is drawn already. */
  draw(channel) {
    const { rows, channels, surface } = this;
    if (!(this.stale || surface.stale || channel !== this.drawn) || !rows.end) return null;
    this.stale = false;
    this.drawn = channel;
    let low = Infinity, high = -Infinity;
    for (let k = rows.first; k < rows.end; k++) {
      for (const column of [channel, channels + channel]) {
        const v = rows.value(k, column);
        if (v < low) low = v;
        if (v > high) high = v;
      }
    }
    if (!(low <= high)) return "";
    const margin = Math.max(5, (high - low) * 0.15);
    const x = [rows.time(rows.first), Math.max(rows.time(rows.first) + 30, rows.time(rows.end - 1))];
    const y = [Math.max(0, low - margin), high + margin];
    const { c, toX, toY } = axes(surface, { x, y, xTicks: ticks(x[0], x[1], 4), yTicks: ticks(y[0], y[1], 4), xText: clock });
    const slopes = this.slopes[channel];
    [theme.trace, theme.second].forEach((colour, k) => {
      c.fillStyle = c.strokeStyle = colour;
      for (let row = rows.first; row < rows.end; row++) {
        const v = rows.value(row, k * channels + channel);
        if (v === v) c.fillRect(toX(rows.time(row)) - 1, toY(v) - 1, 2.2, 2.2);
      }
      const slope = slopes?.[k];
      if (slope && slope.start !== null) {
        const at = (time) => slope.start * (1 + slope.percent_per_min / 100 * (time - x[0]) / 60);
        c.lineWidth = 1.5;
        c.beginPath();
        c.moveTo(toX(x[0]), toY(at(x[0])));
        c.lineTo(toX(x[1]), toY(at(x[1])));
        c.stroke();
      }
    });
    const newest = (k) => short(rows.value(rows.end - 1, k * channels + channel));
    return `Mean ${newest(0)} Hz, median ${newest(1)} Hz. ${describe(slopes)}`;
  }
}

function describe(slopes) {
  if (!slopes || slopes[0].start === null) return "Slopes after 20 active seconds.";
  const signed = (v) => `${v > 0 ? "+" : ""}${v.toFixed(1)}`.replace("-", "−");
  const [mean, median, rms] = slopes;
  const text = (name, s) => `${name} ${signed(s.percent_per_min)} %/min (${signed(s.low)} to ${signed(s.high)})`;
  const falls = mean.high < 0 && median.high < 0, grows = rms.low > 0;
  const verdict = falls && grows ? "Frequencies fall while the amplitude grows: fatigue." : falls ? "Frequencies fall, the amplitude does not grow: less force, or fatigue." :
    "No fall of both frequencies beyond its interval.";
  return `${text("MNF", mean)}, ${text("MDF", median)}, RMS ${rms.start === null ? "–" : signed(rms.percent_per_min)} %/min. ${verdict}`;
}

export class Latency {
  constructor(canvas) {
    this.surface = new Surface(canvas);
  }

  draw(latency) {
    if (latency === this.drawn && !this.surface.stale) return;
    this.drawn = latency;
    const { bins, percentiles } = latency;
    const used = bins.flatMap((n, k) => (n ? [k] : []));
    if (!used.length) return;
    const edge = (k) => FIRST_EDGE_MS * 10 ** (k / BINS_A_DECADE);
    const first = Math.max(0, used[0] - 4), last = Math.min(bins.length, used[used.length - 1] + 5);
    const peak = Math.max(...bins), x = [edge(first), edge(last)];
    const decades = [];
    for (let d = -2; d <= 3; d++) for (const f of last - first > 24 ? [1] : [1, 2, 5]) if (f * 10 ** d >= x[0] && f * 10 ** d <= x[1]) decades.push(f * 10 ** d);
    const { c, toX, toY, top, bottom } = axes(this.surface, {
      x, y: [0, peak * 1.05], xTicks: decades, yTicks: ticks(0, peak, 3), xLog: true, xText: (v) => `${+v.toPrecision(2)} ms`,
    });
    c.fillStyle = theme.trace;
    for (let k = first; k < last; k++) {
      if (bins[k]) c.fillRect(toX(edge(k)) + 0.5, toY(bins[k]), Math.max(1, toX(edge(k + 1)) - toX(edge(k)) - 1), bottom - toY(bins[k]));
    }
    c.fillStyle = theme.second;
    if (percentiles[2] !== null) c.fillRect(toX(Math.min(Math.max(percentiles[2], x[0]), x[1])), top, 1.5, bottom - top);
  }
}
