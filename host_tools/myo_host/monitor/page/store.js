// What the page remembers: rings of fixed size, so that a day takes the memory of a minute.

/** The newest frames of one stream, channel by channel; frames that never came are NaN. */
export class Ring {
  constructor({ rate_hz, channels, unit, name }, seconds) {
    Object.assign(this, { rate: rate_hz, channels, unit, name });
    this.capacity = Math.max(64, Math.ceil(rate_hz * seconds));
    this.data = new Float32Array(this.capacity * channels.length).fill(NaN);
    this.end = 0; // frames so far; the next one's number
    this.start = 0; // the first one that came
    this.begun = false;
  }

  push(first, n, values) {
    const { capacity, data } = this;
    const width = this.channels.length;
    if (!this.begun) {
      this.begun = true;
      this.start = this.end = first;
    }
    const missing = Math.min(first - this.end, capacity);
    for (let k = 0; k < missing; k++) {
      for (let c = 0; c < width; c++) data[c * capacity + (first - 1 - k) % capacity] = NaN;
    }
    for (let k = 0; k < n; k++) {
      const at = (first + k) % capacity;
      for (let c = 0; c < width; c++) data[c * capacity + at] = values[k * width + c];
    }
    this.end = Math.max(this.end, first + n);
  }

  /** Frames first .. end-1 are there. */
  get first() {
    return Math.max(this.start, this.end - this.capacity);
  }

  /** Value of a channel at a time in frames, between frames in proportion; NaN where there is none. */
  at(channel, time) {
    const frame = Math.floor(time);
    if (frame < this.first || frame >= this.end) return NaN;
    const base = channel * this.capacity;
    const a = this.data[base + frame % this.capacity];
    if (frame + 1 >= this.end) return a;
    const b = this.data[base + (frame + 1) % this.capacity];
    return a + (b - a) * (time - frame);
  }

  /** Least and largest value of a channel over [from, to) in frames, into `out`; whether all of it is there. */
  range(channel, from, to, out) {
    let low = this.at(channel, from), high = low;
    const last = this.at(channel, to);
    if (last < low) low = last; else if (last > high) high = last;
    const base = channel * this.capacity;
    for (let frame = Math.floor(from) + 1; frame < to; frame++) {
      const v = this.data[base + frame % this.capacity];
      if (v < low) low = v; else if (v > high) high = v;
    }
    out[0] = low;
    out[1] = high;
    return low <= high && last === last;
  }

  /** Mean, and largest distance from it, of a channel over the newest `seconds` before `end`. */
  measure(channel, end, seconds) {
    const from = Math.max(this.first, Math.ceil(end - seconds * this.rate)), base = channel * this.capacity;
    let sum = 0, squares = 0, n = 0, low = Infinity, high = -Infinity;
    for (let frame = from; frame < Math.min(end, this.end); frame++) {
      const v = this.data[base + frame % this.capacity];
      if (v !== v) continue;
      sum += v; squares += v * v; n++;
      if (v < low) low = v;
      if (v > high) high = v;
    }
    const mean = n ? sum / n : 0;
    return { n, mean, rms: n ? Math.sqrt(squares / n) : NaN, reach: n ? Math.max(high - mean, mean - low) : 0, high: n ? high : 0 };
  }
}

/** The newest rows of a table of numbers, each with its time; row k counts from the first that ever came. */
export class Rows {
  constructor(capacity, width) {
    Object.assign(this, { capacity, width });
    this.times = new Float64Array(capacity);
    this.values = new Float32Array(capacity * width);
    this.end = 0;
  }

  push(time, values) {
    const row = this.end++ % this.capacity;
    this.times[row] = time;
    this.values.set(values, row * this.width);
  }

  get first() {
    return Math.max(0, this.end - this.capacity);
  }

  time(row) {
    return this.times[row % this.capacity];
  }

  value(row, column) {
    return this.values[row % this.capacity * this.width + column];
  }
}
