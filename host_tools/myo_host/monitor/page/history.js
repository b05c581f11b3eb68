// What was decided, along the time axis of the traces: bands of colour for classes, lines for values.

import { classColour, Surface, theme } from "./draw.js";

export class History {
  constructor(canvas) {
    this.surface = new Surface(canvas);
  }

  /** Draw decisions (rows of the class, or of all values) up to the time `edge` over `span` seconds. */
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
    let k = decisions.end - 1;
    while (k >= decisions.first && decisions.time(k) - setup.hop_s > edge) k--;
    while (k >= decisions.first) {
      const decided = decisions.value(k, 0);
      let first = k; // the run of equal decisions
      while (first > decisions.first && decisions.value(first - 1, 0) === decided && decisions.time(first - 1) > edge - span) first--;
      const left = toX(decisions.time(first) - setup.hop_s), right = toX(Math.min(decisions.time(k), edge));
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
    let low = Infinity, high = -Infinity, first = decisions.end;
    while (first > decisions.first && toX(decisions.time(first - 1)) >= 0) {
      first--;
      for (let index = 0; index < decisions.width; index++) {
        low = Math.min(low, decisions.value(first, index));
        high = Math.max(high, decisions.value(first, index));
      }
    }
    const reach = high - low || 1;
    setup.labels.forEach((_, index) => {
      c.strokeStyle = classColour(index, setup.labels);
      c.lineWidth = 1.5;
      c.beginPath();
      for (let k = first; k < decisions.end; k++) c.lineTo(toX(decisions.time(k)), height - 2 - (decisions.value(k, index) - low) / reach * (height - 4));
      c.stroke();
    });
  }
}
