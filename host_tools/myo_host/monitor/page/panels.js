// The parts of the page that are text: lanes with quality, decision, counters, events. Nodes are made once and filled again.

import { classColour, clock, short } from "./draw.js";

const WEAK = "low_snr"; // a muscle at rest has it as well

export const $ = (id) => document.getElementById(id);

/** Set a node's text if it differs: what is equal costs no layout. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function make(tag, className = "", text = "") {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text) node.textContent = text;
  return node;
}

/** One row a channel: its name, its size, its quality; choosing one moves spectrum and trend there. */
export class Lanes {
  constructor(node, onChoose) {
    this.node = node;
    this.onChoose = onChoose;
    this.rows = [];
    this.chosen = 0;
  }

  build(names) {
    this.rows = names.map((name, index) => {
      const row = make("button");
      row.type = "button";
      row.setAttribute("role", "radio");
      const parts = { row, rms: make("span", "rms"), flags: make("span", "flags") };
      row.append(make("span", "name", name), parts.rms, parts.flags);
      row.addEventListener("click", () => this.choose(index));
      return parts;
    });
    this.node.replaceChildren(...this.rows.map(({ row }) => row));
    this.choose(Math.min(this.chosen, names.length - 1), false);
  }

  choose(index, focus = false) {
    if (!this.rows.length) return;
    this.chosen = (index + this.rows.length) % this.rows.length;
    this.rows.forEach(({ row }, k) => {
      row.setAttribute("aria-checked", String(k === this.chosen));
      row.tabIndex = k === this.chosen ? 0 : -1;
    });
    if (focus) this.rows[this.chosen].row.focus();
    this.onChoose(this.chosen);
  }

  setSizes(sizes) {
    this.rows.forEach(({ rms }, k) => say(rms, Number.isFinite(sizes[k]) ? short(sizes[k]) : ""));
  }

  setFlags(flags) {
    this.rows.forEach(({ flags: node }, k) => {
      const found = flags?.[k];
      const weak = found?.every((name) => name === WEAK);
      node.className = `flags ${!found ? "" : !found.length ? "ok" : weak ? "weak" : "bad"}`;
      const words = found?.map((name) => name.replace("_", " ")).join(", ");
      say(node, !found ? "" : words ? `▲ ${words}` : "● good");
      node.title = words ?? "";
    });
  }
}

/** The newest decision: word, confidence, and the score of every class or value. */
export class Decision {
  build(setup) {
    this.setup = setup;
    this.rows = setup.labels.map((label) => {
      const row = make("li"), track = make("div", "track"), bar = make("i"), out = make("output");
      track.append(bar);
      row.append(make("span", "", label), track, out);
      return { row, bar, out };
    });
    $("scores").replaceChildren(...this.rows.map(({ row }) => row));
    this.top = 0;
    say($("decided"), "none yet");
    say($("confidence"), "");
    $("legend").replaceChildren(...setup.labels.map((label) => make("li", "", label)));
    this.colour();
  }

  colour() {
    this.rows?.forEach(({ bar }, k) => bar.style.setProperty("--class", classColour(k, this.setup.labels)));
    [...$("legend").children].forEach((node, k) => node.style.setProperty("--class", classColour(k, this.setup.labels)));
  }

  show(decision) {
    const { labels, kind, vote, value_unit: unit } = this.setup;
    if (kind === "values") {
      this.top = Math.max(this.top, ...decision.values.map(Math.abs));
      this.rows.forEach(({ bar, out }, k) => {
        bar.style.transform = `scaleX(${Math.min(1, Math.abs(decision.values[k]) / (this.top || 1))})`;
        say(out, short(decision.values[k]));
      });
      say($("decided"), labels.length === 1 ? `${short(decision.values[0])} ${unit}` : `${labels.length} values ${unit && `(${unit})`}`);
      return;
    }
    const { decided, raw, confidence, votes, scores } = decision;
    say($("decided"), labels[decided] ?? "none");
    $("decided").style.setProperty("--class", classColour(decided, labels));
    const of = vote ? ` of the last ${vote} windows` : "";
    say($("confidence"), decided < 0 ? "no window voted: confidence too low, or channels too bad" :
      `${votes}${of} voted for it; this window alone: ${labels[raw] ?? "none"}, confidence ${(100 * confidence).toFixed(0)} %`);
    this.rows.forEach(({ bar, out }, k) => {
      const share = Math.min(1, Math.max(0, scores[k] ?? 0));
      bar.style.transform = `scaleX(${share})`;
      say(out, scores.length ? `${(100 * share).toFixed(0)} %` : "");
    });
  }
}

const LOSSES = [
  ["samples_lost", "samples lost by the patch"], ["rx_bytes_lost", "bytes lost by the patch"], ["rx_frames_bad", "damaged frames, patch"],
  ["rx_sequence_gaps", "sequence gaps, patch"], ["tx_frames_dropped", "frames dropped by the patch"],
  ["faults", "faults raised"],
];
const HOST_LOSSES = [["samples_missing", "samples lost on the line"], ["frames_lost", "frames lost on the line"], ["frames_bad", "damaged frames, host"]];

/** Core, stack, and everything that was lost or went wrong. */
export class Health {
  build(setup) {
    this.setup = setup;
    const rows = [["samples_processed", "samples processed"], ["windows", "windows decided"], ...LOSSES, ...HOST_LOSSES, ["page", "packets this page skipped"], ["fps", "frames a second, page"]];
    this.cells = new Map(rows.map(([key]) => [key, make("dd", "", "–")]));
    $("counters").replaceChildren(...rows.flatMap(([key, words]) => [make("dt", "", words), this.cells.get(key)]));
  }

  set(key, value, bad = false) {
    const cell = this.cells?.get(key);
    if (!cell) return;
    say(cell, value);
    cell.className = bad ? "bad" : "";
  }

  show({ status, host, load, busy_ms: busy, hop_ms: hop, latency }) {
    for (const key of ["samples_processed", "windows"]) this.set(key, status[key]?.toLocaleString("en") ?? "–");
    for (const [key] of LOSSES) this.set(key, String(status[key] ?? "–"), status[key] > 0);
    for (const [key] of HOST_LOSSES) this.set(key, String(host[key]), host[key] > 0);
    $("load").value = load ?? 0;
    say($("load-value"), load === null ? "–" : `${(100 * load).toFixed(1)} %`);
    say($("load-note"), load === null ? "" : `${short(busy)} ms of work in each ${short(hop)} ms; ${this.setup.time_words}`);
    if (status.stack_bytes) {
      $("stack").value = status.stack_used_bytes / status.stack_bytes;
      say($("stack-value"), `${status.stack_used_bytes} of ${status.stack_bytes} B`);
    }
    const [p50, p95, p99, most] = latency.percentiles, [trip] = latency.round_trip;
    say($("latency-note"), p50 === null ? "" : `median ${short(p50)}, 95 % ${short(p95)}, 99 % ${short(p99)} (line), largest ${short(most)} ms, ${this.setup.time_words}` +
      (trip === null ? "" : `; to this computer and back ${short(trip)} ms`));
  }
}

/** The newest events, newest first. */
export class Events {
  constructor(node, capacity) {
    Object.assign(this, { node, capacity, last: -1 });
  }

  add({ number, kind, text, clock: when, frame }, rate) {
    if (number <= this.last) return false;
    this.last = number;
    const row = make("li", kind);
    row.append(make("time", "", when), ` ${clock(frame / rate)} ${kind === "mark" ? "" : `${kind}: `}${text}`);
    this.node.prepend(row);
    while (this.node.childElementCount > this.capacity) this.node.lastElementChild.remove();
    return true;
  }
}
