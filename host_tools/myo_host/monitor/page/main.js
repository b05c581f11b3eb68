// The monitor: takes packets, keeps rings, draws once a screen frame.

import { clock, readTheme, short } from "./draw.js";
import { History } from "./history.js";
import { $, Decision, Events, Health, Lanes, say } from "./panels.js";
import { Latency, Spectrum, Trend } from "./plots.js";
import { Scope } from "./scope.js";
import { Ring, Rows } from "./store.js";
import { connect } from "./wire.js";

const RAW = 0, FILTERED = 1, ENVELOPE = 2;
const KEPT_S = 75; // of signal: the longest span, and room to look back
const KEPT_ENVELOPE_S = 300;
const MAX_WORDS = 24e6; // of all rings; many channels at high rates keep fewer seconds
const KEPT_DECISIONS = 2000, KEPT_EVENTS = 200, KEPT_TREND = 1800;
const SLOW_EVERY_MS = 250; // texts and plots
const REDUCED_FRAME_MS = 250; // where less motion is wanted
const SCALES = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 1e6, 1e7];
const VIEWS = [["raw", "Raw"], ["filtered", "Filtered"], ["both", "Both"], ["envelope", "Envelope"]];

let setup = null;
let view = "both";
let rings = new Map();
let lastState = { state: "connecting", text: "" };
let saving = "";
let slowAt = 0, lastFrame = 0;
let decisions = new Rows(1, 1);
let newest = null; // decision
const events = []; // of this run
const frames = { drawn: 0, late: 0, longest: 0, work: 0, since: performance.now(), fps: 0 };

readTheme();
const scope = new Scope($("traces"));
const history = new History($("history"));
const spectrum = new Spectrum($("spectrum"));
const trend = new Trend($("trend"));
const latency = new Latency($("latency"));
const decision = new Decision();
const health = new Health();
const eventList = new Events($("events"), KEPT_EVENTS);
const lanes = new Lanes($("lanes"), drawSlowly);
let counters = null;

const command = connect({
  setup(message) {
    const again = setup?.run === message.run;
    setup = message;
    decision.build(setup);
    health.build(setup);
    if (!again) begin();
  },
  state(message) {
    lastState = message;
    showState();
  },
  samples({ stream, first, n, values }) {
    rings.get(stream)?.push(first, n, values);
  },
  spectrum(packet) {
    spectrum.take(packet);
  },
  decisions({ decisions: list }) {
    for (const item of list) {
      if (newest && item.window <= newest.window) continue;
      newest = item;
      decisions.push(item.end / setup.rate_hz, item.values ?? [item.decided]);
    }
  },
  trend(message) {
    trend.take(message);
  },
  quality({ flags, masked, gated }) {
    lanes.setFlags(flags);
    const state = [masked ? `${masked} channels masked` : "", gated ? "too few are good: no window votes" : ""].filter(Boolean).join(", ");
    say($("quality-state"), state && `▲ ${state}`);
  },
  counters(message) {
    counters = message;
    say($("time"), clock(message.time_s));
    say($("speed"), lastState.state === "running" ? `${short(message.speed)} × real time` : "");
    say($("line"), `${short(message.bytes_per_s / 1000)} kB/s`);
    health.show(message);
    if (saving) say($("save").firstChild, `Saving ${clock(message.saving ?? 0)} `);
  },
  event(message) {
    if (!eventList.add(message, setup?.rate_hz ?? 1)) return;
    if (message.run === setup?.run) {
      const quiet = !["mark", "fault", "gap"].includes(message.kind);
      events.push({ time: message.frame / setup.rate_hz, kind: message.kind, text: message.text, quiet });
      if (events.length > KEPT_EVENTS) events.shift();
    }
  },
  saving({ path }) {
    saving = path;
    $("save").setAttribute("aria-pressed", String(Boolean(path)));
    $("save").title = path;
    say($("save").firstChild, path ? "Saving " : "Save ");
  },
  refused({ text }) {
    notify(text);
  },
  skipped({ packets }) {
    health.set("page", String(packets), true);
  },
  cut() {
    if (lastState.state !== "closed") lastState = { state: "lost", text: "the monitor does not answer; looking for it" };
    showState();
  },
});

/** A new run of the patch: empty rings, its own names. */
function begin() {
  const words = setup.streams.reduce((sum, s) => sum + s.rate_hz * s.channels.length * (s.id === ENVELOPE ? KEPT_ENVELOPE_S : KEPT_S), 0);
  const share = Math.min(1, MAX_WORDS / words);
  rings = new Map(setup.streams.map((s) => [s.id, new Ring(s, (s.id === ENVELOPE ? KEPT_ENVELOPE_S : KEPT_S) * share)]));
  decisions = new Rows(KEPT_DECISIONS, setup.kind === "values" ? setup.labels.length : 1);
  newest = null;
  events.length = 0;
  lanes.setFlags(null);
  say($("quality-state"), "");
  trend.clear(KEPT_TREND, rings.get(ENVELOPE).channels.length);
  spectrum.packets.clear();
  scope.time = scope.lastEnd = scope.shift = 0;
  scope.offsets = [];
  say($("patch"), [setup.name, setup.bundle, setup.board, setup.replayed && `replays ${setup.replayed}`].filter(Boolean).join(" · "));
  document.title = `${setup.name || setup.board} – MyoPatch monitor`;
  say($("quality-note"), `Beside each name: RMS of half a second, ${setup.streams[setup.streams.length - 1].unit}. Quality: ${setup.quality_words}.`);
  $("key-filtered").hidden = !rings.has(FILTERED);
  buildViews();
  setPaused(false);
}

function availableViews() {
  return VIEWS.filter(([name]) => rings.has(FILTERED) || name === "raw" || name === "envelope");
}

function buildViews() {
  const names = availableViews();
  if (!names.some(([name]) => name === view)) view = "raw";
  $("views").querySelectorAll("label").forEach((node) => node.remove());
  for (const [name, words] of names) {
    const label = document.createElement("label"), input = document.createElement("input");
    Object.assign(input, { type: "radio", name: "view", value: name, checked: name === view });
    input.addEventListener("change", () => show(name));
    label.append(input, words);
    $("views").append(label);
  }
  show(view);
}

/** Put a view's streams on the scope. Raw and filtered share lanes where they are the same channels. */
function show(name) {
  view = name;
  const raw = rings.get(RAW), filtered = rings.get(FILTERED);
  const layers = {
    raw: [{ ring: raw, colour: "trace", centred: true }],
    filtered: [{ ring: filtered, colour: "trace", centred: true }],
    both: [{ ring: raw, colour: "raw", centred: true }, { ring: filtered, colour: "trace", centred: true }],
    envelope: [{ ring: rings.get(ENVELOPE), colour: "trace", centred: false }],
  }[name];
  scope.offsets = [];
  scope.show(layers);
  const { channels, unit } = layers.reduce((most, { ring }) => (ring.channels.length > most.channels.length ? ring : most), layers[0].ring);
  $("scope").style.setProperty("--lanes", channels.length);
  $("scope").style.setProperty("--lane", `${Math.max(30, Math.min(64, 520 / channels.length))}px`);
  $("scale").replaceChildren(new Option("fit", "0"), ...SCALES.map((v) => new Option(`± ${v.toLocaleString("en")} ${unit}`, v)));
  $("scale").value = String(scope.scale);
  lanes.build(channels);
  const input = document.querySelector(`#views input[value="${name}"]`);
  if (input) input.checked = true;
}

function showState() {
  const { state, text } = lastState;
  const shown = scope.paused && state === "running" ? "paused" : state;
  $("state").className = `state ${shown}`;
  say($("state"), { running: "live", paused: "view paused", ended: text }[shown] ?? (text ? `${state}: ${text}` : state));
  $("mark").disabled = $("save").disabled = state !== "running";
}

function setPaused(paused) {
  scope.paused = paused;
  scope.shift = 0;
  scope.dirty = true;
  $("pause").setAttribute("aria-pressed", String(paused));
  say($("pause").firstChild, paused ? "Go on " : "Pause ");
  showState();
}

function notify(text) {
  say($("notice"), text);
  setTimeout(() => say($("notice"), ""), 6000);
}

function mark() {
  command("mark", $("mark-text").value);
  $("mark-text").value = "";
}

function setSpan(seconds) {
  scope.span = seconds;
  scope.nextFit = 0;
  scope.dirty = true;
  $("span").value = String(seconds);
}

function setScale(value) {
  scope.scale = value;
  scope.dirty = true;
  if (!value) scope.nextFit = 0;
  $("scale").value = String(value);
}

/** Along a list of choices from the one that is taken. */
function step(values, current, by) {
  const at = values.findIndex((v) => v >= current * 0.999);
  return values[Math.min(values.length - 1, Math.max(0, (at < 0 ? values.length - 1 : at) + by))];
}

$("pause").addEventListener("click", () => setPaused(!scope.paused));
$("mark").addEventListener("click", mark);
$("mark-form").addEventListener("submit", (event) => { event.preventDefault(); mark(); });
$("save").addEventListener("click", () => command(saving ? "finish" : "save"));
$("help").addEventListener("click", () => $("keys").showModal());
$("span").addEventListener("change", () => setSpan(Number($("span").value)));
$("scale").addEventListener("change", () => setScale(Number($("scale").value)));

const SPANS = [...$("span").options].map((option) => Number(option.value));
const KEYS = {
  " ": () => setPaused(!scope.paused),
  m: mark,
  s: () => { if (!$("save").disabled) command(saving ? "finish" : "save"); },
  "?": () => $("keys").showModal(),
  "-": () => setSpan(step(SPANS, scope.span, -1)),
  "+": () => setSpan(step(SPANS, scope.span, 1)),
  "=": () => setSpan(step(SPANS, scope.span, 1)),
  "[": () => setScale(step(SCALES, scope.reach, -1)),
  "]": () => setScale(step(SCALES, scope.reach, 1)),
  a: () => setScale(0),
  ArrowLeft: () => { if (scope.paused) scope.pan(scope.span / 10); },
  ArrowRight: () => { if (scope.paused) scope.pan(-scope.span / 10); },
  ArrowUp: () => lanes.choose(lanes.chosen - 1, $("lanes").contains(document.activeElement)),
  ArrowDown: () => lanes.choose(lanes.chosen + 1, $("lanes").contains(document.activeElement)),
};
VIEWS.forEach(([name], k) => { KEYS[k + 1] = () => { if (setup && availableViews().some(([v]) => v === name)) show(name); }; });

document.addEventListener("keydown", (event) => {
  const { target, key } = event;
  if (event.ctrlKey || event.altKey || event.metaKey || $("keys").open) return;
  if (target.matches("input:not([type=radio]), select, textarea")) return;
  if (key === " " && target.matches("button")) return; // it presses the button
  if (key.startsWith("Arrow") && target.matches("input[type=radio]")) return; // they move along the views
  const act = KEYS[key.length === 1 ? key.toLowerCase() : key];
  if (!act) return;
  event.preventDefault();
  act();
});

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  readTheme();
  decision.colour();
  scope.dirty = trend.stale = true;
  latency.drawn = null;
});
const reduced = matchMedia("(prefers-reduced-motion: reduce)");

/** Texts and plots, a few times a second. */
function drawSlowly() {
  if (!setup) return;
  const chosen = lanes.chosen, basis = rings.get(ENVELOPE);
  document.querySelectorAll(".channel").forEach((node) => say(node, basis.channels[chosen] ?? basis.channels[0]));
  const channel = Math.min(chosen, basis.channels.length - 1);
  if (newest) decision.show(newest);
  lanes.setSizes(basis.channels.map((_, c) => basis.measure(c, basis.end, 0.5).rms));
  const loudest = spectrum.draw(channel, new Set([RAW, FILTERED]));
  const unit = basis.unit || "1";
  say($("spectrum-note"), loudest && `dB, 0 is 1 ${unit === "counts" ? "count" : unit}/√Hz; newest second, largest at ${loudest}`);
  $("spectrum").setAttribute("aria-label", `spectrum of ${basis.channels[channel]}, largest at ${loudest}`);
  const words = trend.draw(channel);
  if (words !== null) say($("trend-note"), words);
  if (counters) latency.draw(counters.latency);
  const { span, edge } = scope, ago = scope.time - edge;
  say($("axis-start"), `−${short(span)} s`);
  say($("axis-middle"), `−${short(span / 2)} s`);
  say($("axis-end"), scope.paused ? `${clock(edge)}${ago > 0 ? ` (−${ago.toFixed(1)} s)` : ""}` : "now");
  const { unit: shown } = scope.layers[0].ring;
  say($("scale").options[0], `fit: ± ${short(scope.fitted)} ${shown}`);
  $("traces").setAttribute("aria-label", `${view} signal of ${scope.channels} channels, ${span} seconds, ${scope.paused ? "paused" : "live"}`);
  health.set("fps", frames.fps.toFixed(0));
}

function drawFrame(now) {
  requestAnimationFrame(drawFrame);
  const elapsed = lastFrame ? now - lastFrame : 0;
  if (reduced.matches && elapsed < REDUCED_FRAME_MS) return;
  lastFrame = now;
  if (!setup) return;
  const began = performance.now();
  scope.advance(elapsed / 1000);
  scope.draw(now, events);
  history.draw(decisions, setup, scope.edge, scope.span);
  if (now - slowAt >= SLOW_EVERY_MS) {
    slowAt = now;
    drawSlowly();
  }
  frames.drawn++;
  frames.work += performance.now() - began;
  if (elapsed > 1000 / 30 * 1.5) frames.late++;
  frames.longest = Math.max(frames.longest, elapsed);
  const window = now - frames.since;
  if (window >= 1000) {
    frames.fps = frames.drawn / window * 1000;
    globalThis.monitorFrames = { fps: frames.fps, late: frames.late, longest_ms: frames.longest, work_ms: frames.work / frames.drawn, drawn: frames.drawn };
    Object.assign(frames, { drawn: 0, late: 0, longest: 0, work: 0, since: now });
  }
}
requestAnimationFrame(drawFrame);
