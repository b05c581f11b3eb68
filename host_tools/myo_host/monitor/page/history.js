// What was decided, along the time axis of the traces: bands of colour for classes, lines for values.

import { classColour, Surface, theme } from "./draw.js";

export class History {
  constructor(canvas) {
    this.surface = new Surface(canvas);
  }

  /** Draw decisions up to the time `edge` over `span` seconds. */
  draw(decisions, setup, edge, span) {
    const c = this.surface.begin();
    const { width, height } = this.surface;
    const toX = (time) => width - (edge - time) / span * width;
    c.fillStyle = theme.grid;
    c.fillRect(0, 0, width, height);
    if (setup.kind === "values") {
      this.drawValues(c, decisions, setup, toX, height);
      return;
    }
    let k = decisions.length - 1;
    while (k >= 0 && decisions[k].time - setup.hop_s > edge) k--;
    while (k >= 0) {
      const { decided, time } = decisions[k];
      let first = k; // the run of equal decisions
      while (first > 0 && decisions[first - 1].decided === decided && decisions[first - 1].time > edge - span) first--;
      const left = toX(decisions[first].time - setup.hop_s), right = toX(Math.min(time, edge));
      c.fillStyle = classColour(decided, setup.labels);
      c.fillRect(left, 0, Math.max(1, right - left), height);
      const text = setup.labels[decided] ?? "";
      if (right - Math.max(0, left) > c.measureText(text).width + 8) {
        c.fillStyle = theme.card;
        c.textBaseline = "middle";
        c.textAlign = "left";
        c.fillText(text, Math.max(0, left) + 4, height / 2 + 0.5);
      }
      if (left < 0) break;
      k = first - 1;
    }
  }

  drawValues(c, decisions, setup, toX, height) {
    const shown = decisions.filter((d) => toX(d.time) >= 0);
    let low = Infinity, high = -Infinity;
    for (const { values } of shown) for (const v of values) { low = Math.min(low, v); high = Math.max(high, v); }
    const reach = high - low || 1;
    setup.labels.forEach((_, index) => {
      c.strokeStyle = classColour(index, setup.labels);
      c.lineWidth = 1.5;
      c.beginPath();
      for (const d of shown) c.lineTo(toX(d.time), height - 2 - (d.values[index] - low) / reach * (height - 4));
      c.stroke();
    });
  }
}
