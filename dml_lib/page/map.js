// An audible map: everything on the page but the points themselves. Names come from strangers: they are only ever textContent.
"use strict";

const get = id => document.getElementById(id);
function make(tag, text = "", parent = null) {
  const element = document.createElement(tag);
  element.textContent = text;
  if (parent) parent.append(element);
  return element;
}
function bytes(base64) {
  const text = atob(base64), out = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) out[i] = text.charCodeAt(i);
  return out;
}
const floats = s => new Float32Array(bytes(s).buffer);
const rgbOf = hex => [1, 3, 5].map(i => parseInt(hex.slice(i, i + 2), 16));
const GRAY = [136, 136, 136], NEAREST = 10, LISTED = 50, UNLABELED = "unlabeled", MAX_STEPS = 48;
// Control and direction marks must not rearrange what stands beside them: they are shown by name.
const MARKS = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
const readable = s => s.replace(MARKS, c => "\u27e8" + c.charCodeAt(0).toString(16) + "\u27e9");
const noteName = v => "C C# D D# E F F# G G# A A# B".split(" ")[((v % 12) + 12) % 12] + (Math.floor(v / 12) - 1);

const unpacked = c => c.kind === "number" ? floats(c.data) : new Uint16Array(bytes(c.data).buffer);
const columns = DATA.columns.map(c => ({ ...c, chosen: new Set(), data: unpacked(c) }));
const columnOf = key => columns.find(c => c.key === key);
const n = DATA.names.length, raw = floats(DATA.points);
const scene = new Scene(get("cloud"), raw, floats(DATA.way)), ink = get("ink").getContext("2d");
const selected = new Uint8Array(n), matches = new Uint8Array(n).fill(1), heard = new Set();
let current = -1, playing = -1, over = -1, asked = false, tool = "turn", stroke = [], route = [], walking = null, searchable = null, shading = null;
const name = i => readable(DATA.names[i]);

function value(column, i) {
  const v = column.data[i];
  if (column.kind === "category") return readable(column.values[v]);
  if (Number.isNaN(v)) return "";
  return column.notes ? `${noteName(Math.round(v))} (${+v.toFixed(1)})` : `${+v.toPrecision(4)} ${column.unit}`.trim();
}

// ---- details of a sound: its trajectory, waveform and picture come in files of some sounds each, when they are wanted
const waiting = new Map();
function DETAIL(part, rows) {
  rows.forEach((row, k) => details.set(part * DATA.part + k, row));
  (waiting.get(part) || []).forEach(done => done());
  waiting.set(part, []);
}
const details = new Map();
function detail(i) {
  if (details.has(i) || !DATA.parts) return Promise.resolve(unpack(i));
  const part = Math.floor(i / DATA.part), ready = new Promise(done => {
    if (waiting.has(part)) waiting.get(part).push(done);
    else {
      waiting.set(part, [done]);
      const script = make("script");
      script.src = `detail/${String(part).padStart(5, "0")}.js`;
      document.head.append(script);
    }
  });
  return ready.then(() => unpack(i));
}
function unpack(i) {
  const row = details.get(i);
  if (!row) return {};
  if (!row.open) row.open = { path: row.p && scene.inside(floats(row.p)), wave: row.w && bytes(row.w), picture: row.q && bytes(row.q), sound: row.a };
  return row.open;
}

// ---- sound: one at a time. A sound is loaded into a player of its own as soon as it may be wanted, so that a press only starts it
const decks = [], LOADED = 16;
let audio = new Audio();
const audible = i => DATA.audio[i] !== "";
const source = i => DATA.embedded ? unpack(i).sound : `audio/${DATA.audio[i]}.mp3`;
function load(i) {
  if (i < 0 || !audible(i)) return null;
  const known = decks.findIndex(d => d.sound === i), deck = known < 0 ? new Audio() : decks.splice(known, 1)[0];
  decks.push(deck);
  if (known < 0) {
    Object.assign(deck, { sound: i, preload: "auto", src: source(i) });
    for (const event of ["play", "pause", "ended"]) deck.addEventListener(event, () => { update(); paint(); });
    const old = decks.length > LOADED ? decks.findIndex(d => d !== audio && d !== deck && d.paused) : -1;
    if (old >= 0) { decks[old].removeAttribute("src"); decks[old].load(); decks.splice(old, 1); }   // a browser has only so many players
  }
  return deck;
}
function start(i) {
  audio = load(i);
  audio.volume = 1;
  if (audio.currentTime) audio.currentTime = 0;
  audio.play().catch(() => {});   // refused before the first gesture
}
function hush(but = null) {
  if (walking) { clearInterval(walking); walking = null; }
  decks.forEach(d => { if (d !== but) d.pause(); });
}
function silence() { hush(); update(); }
function play(i) {
  playing = i; heard.add(i);
  if (audible(i)) { start(i); hush(audio); } else hush();
  setTimeout(() => { if (playing === i) { show(i); loop(); } });   // the sound first, pictures of it after
}
function press(i) {
  current = i; asked = false;
  clearTimeout(dwell);
  tip(i);
  play(i);
  setTimeout(() => { if (current === i) { neighborsList(); controls(); nearestTo(i, 3).forEach(load); get("live").textContent = name(i); } });
}

// ---- nearest sounds, among those that match
function nearest(x, y, z, k, skip = () => false) {
  const found = [], far = [];
  for (let i = 0; i < n; i++) {
    if (!matches[i] || skip(i)) continue;
    const a = scene.xyz[3 * i] - x, b = scene.xyz[3 * i + 1] - y, c = scene.xyz[3 * i + 2] - z, d = a * a + b * b + c * c;
    if (found.length === k && d >= far[k - 1]) continue;
    let at = found.length;
    while (at > 0 && far[at - 1] > d) at--;
    found.splice(at, 0, i); far.splice(at, 0, d);
    if (found.length > k) { found.pop(); far.pop(); }
  }
  return found;
}
const place = i => Array.from(scene.xyz.subarray(3 * i, 3 * i + 3));
const nearestTo = (i, k = NEAREST) => nearest(...place(i), k, j => j === i);
function distance(i, j) { let d = 0; for (let a = 0; a < 3; a++) d += (raw[3 * i + a] - raw[3 * j + a]) ** 2; return Math.sqrt(d); }

// The sounds nearest to the one pressed last; of a search since then, what it found.
function neighborsList() {
  const list = get("nearest"), found = asked && matches.includes(0);
  list.replaceChildren();
  get("near").textContent = found ? "Found" : current < 0 ? "Nearest sounds" : "Nearest to " + name(current);
  if (current < 0 && !found) return;
  const rows = found ? [...matches.keys()].filter(j => matches[j]) : nearestTo(current);
  for (const j of rows.slice(0, LISTED)) {
    const button = make("button", "", make("li", "", list));
    button.type = "button";
    make("bdi", name(j), button);
    if (!found) make("small", distance(current, j).toPrecision(2), button);
    button.addEventListener("click", () => play(j));
    button.addEventListener("dblclick", () => press(j));
  }
  if (rows.length > LISTED) make("li", `and ${(rows.length - LISTED).toLocaleString("en")} more`, list);
}

// ---- what is shown of the sound playing
function show(i) {
  get("now").textContent = name(i);
  const facts = columns.filter(c => value(c, i) && value(c, i) !== UNLABELED).map(c => `${c.title}: ${value(c, i)}`).concat(audible(i) ? [] : ["no preview"]);
  get("about").replaceChildren(...facts.flatMap((fact, k) => k ? [" · ", make("bdi", fact)] : [make("bdi", fact)]));
  paintPicture();   // the one before must not stay while its details load
  detail(i).then(() => { if (playing === i) { paintPicture(); paint(); } });
  update();
}
function update() {
  const can = playing >= 0 && audible(playing);
  get("play").disabled = get("seek").disabled = !can;
  get("via").disabled = get("add").disabled = playing < 0;
  get("copy").disabled = playing < 0 || !DATA.files[playing];
  get("play").textContent = decks.some(d => !d.paused && !d.ended) ? "Stop" : "Play";
}
function fit(canvas) {
  const box = canvas.getBoundingClientRect(), ratio = Math.min(devicePixelRatio || 1, 2);
  const [w, h] = [Math.round(box.width * ratio), Math.round(box.height * ratio)];
  if (canvas.width !== w || canvas.height !== h) { canvas.width = w; canvas.height = h; }
  const c = canvas.getContext("2d");
  c.setTransform(ratio, 0, 0, ratio, 0, 0);
  return [c, box.width, box.height];
}
const css = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
function progress() { return audio.duration ? audio.currentTime / audio.duration : 0; }
function paintWave() {
  const [c, w, h] = fit(get("wave")), wave = playing < 0 ? null : unpack(playing).wave;
  c.clearRect(0, 0, w, h);
  if (!wave) return;
  const done = progress(), [on, off] = [css("--accent"), css("--quiet")];
  wave.forEach((v, k) => {
    const tall = Math.max(1, v / 255 * (h - 6));
    c.fillStyle = k / wave.length < done ? on : off;
    c.fillRect(k / wave.length * w, (h - tall) / 2, Math.max(1, w / wave.length - 0.5), tall);
  });
}
let thumbnail = null;
function paintPicture() {
  const open = playing < 0 ? {} : unpack(playing);
  thumbnail = null;
  if (!open.picture) return;
  const bins = DATA.bins, frames = open.picture.length / bins, image = new ImageData(frames, bins);
  const scale = DATA.scale.map(rgbOf);
  open.picture.forEach((v, k) => {
    const [t, b] = [Math.floor(k / bins), k % bins];
    image.data.set([...between(scale, v / 255), 255], 4 * ((bins - 1 - b) * frames + t));
  });
  thumbnail = document.createElement("canvas");
  thumbnail.width = frames; thumbnail.height = bins;
  thumbnail.getContext("2d").putImageData(image, 0, 0);
}
function paintThumbnail() {
  const [c, w, h] = fit(get("picture"));
  c.clearRect(0, 0, w, h);
  if (!thumbnail) return;
  c.imageSmoothingEnabled = false;
  c.drawImage(thumbnail, 0, 0, w, h);
  const x = Math.min(1, audio.currentTime / (thumbnail.width * DATA.frame_s)) * w;
  c.fillStyle = "#fff"; c.fillRect(x - 1, 0, 2, h);
}
function between(scale, t) {
  const at = Math.max(0, Math.min(1, t)) * (scale.length - 1), k = Math.min(scale.length - 2, Math.floor(at)), f = at - k;
  return scale[k].map((v, a) => Math.round(v + f * (scale[k + 1][a] - v)));
}

// ---- the cloud and what is drawn over it; all painting waits for the next frame of the screen
let wanted = false, last = 0, busy = false;
function paint() { if (!wanted) { wanted = true; requestAnimationFrame(frame); } }
function frame(now) {
  wanted = false;
  // While it is turned, a cloud too large for this machine shows a fair sample of itself, and all of itself when it rests.
  const late = now - last;
  if (busy && last && late < 1000) scene.shown = Math.min(n, Math.round(late > 50 ? Math.max(10000, scene.shown * 0.7) : scene.shown * 1.05));
  last = now;
  scene.draw();
  overlay();
  clearTimeout(resting);
  if (busy) resting = setTimeout(rest, 250);   // counted from the frame: a slow one is no rest
  paintWave(); paintThumbnail();
  if (!document.activeElement || document.activeElement !== get("seek")) get("seek").value = progress();
}
let resting = 0;
function moved() { busy = true; tip(-1); paint(); }
function rest() { busy = false; last = 0; scene.shown = n; paint(); }
function loop() { paint(); if (decks.some(d => !d.paused && !d.ended)) requestAnimationFrame(loop); }

function line(points, color, width, dash = []) {
  ink.beginPath();
  points.forEach((p, k) => k ? ink.lineTo(p[0], p[1]) : ink.moveTo(p[0], p[1]));
  ink.setLineDash(dash); ink.lineWidth = width; ink.strokeStyle = color; ink.lineJoin = ink.lineCap = "round";
  ink.stroke(); ink.setLineDash([]);
}
function polygon(p, sides, r, color, edge, turn = -Math.PI / 2) {
  ink.beginPath();
  for (let k = 0; k < sides; k++) {
    const angle = turn + 2 * Math.PI * k / sides;
    ink.lineTo(p[0] + r * Math.cos(angle), p[1] + r * Math.sin(angle));
  }
  if (!sides) ink.arc(p[0], p[1], r, 0, 2 * Math.PI);
  ink.closePath();
  ink.fillStyle = color; ink.fill(); ink.lineWidth = 1.5; ink.strokeStyle = edge; ink.stroke();
}
function overlay() {
  const box = scene, view = scene.camera(), at = p => scene.project(p[0], p[1], p[2], view);
  fit(get("ink"));
  ink.clearRect(0, 0, box.width, box.height);
  const [text, ground, accent, quiet, focus] = ["--text", "--ground", "--accent", "--quiet", "--focus"].map(css);
  axes(at, quiet);
  if (playing >= 0) {
    const open = unpack(playing);
    if (open.path) trajectory(open.path, at, accent, ground, text);
    polygon(at(place(playing)), 0, scene.pointSize() / 2 + 4, "transparent", accent);
  }
  if (current >= 0) polygon(at(place(current)), 0, scene.pointSize() / 2 + 7, "transparent", text);
  if (over >= 0) polygon(at(place(over)), 0, scene.pointSize() / 2 + 3, "transparent", text);
  if (route.length) {
    const points = route.map(i => at(place(i)));
    line(points, ground, 6); line(points, focus, 3, [7, 5]);
    points.forEach(p => polygon(p, 4, 6, focus, ground));
  }
  if (stroke.length > 1) line(stroke, tool === "path" ? focus : accent, 2, [5, 4]);
}
function axes(at, color) {
  const [a, b, c] = scene.box, corner = [-a, -b, -c];
  ink.globalAlpha = 0.55;
  [[a, -b, -c], [-a, b, -c], [-a, -b, c]].forEach((end, k) => {
    if (k === scene.flat) return;
    const [from, to] = [at(corner), at(end)];
    line([from, to], color, 1);
    ink.globalAlpha = 1; ink.fillStyle = color; ink.font = "12px system-ui, sans-serif";
    const wide = ink.measureText(DATA.axes[k]).width, left = to[0] < from[0] ? to[0] - wide - 4 : to[0] + 4;
    ink.fillText(DATA.axes[k], Math.max(4, Math.min(scene.width - wide - 4, left)), Math.max(12, Math.min(scene.height - 5, to[1])));
    ink.globalAlpha = 0.55;
  });
  ink.globalAlpha = 1;
}
function trajectory(path, at, accent, ground, text) {
  const frames = path.length / 3, step = t => Array.from(path.subarray(3 * t, 3 * t + 3)), points = [];
  for (let t = 0; t < frames; t++) points.push(at(step(t)));
  line(points, ground, 6); line(points, accent, 3);
  const middle = [0, 1, 2].map(a => path.filter((_, k) => k % 3 === a).sort()[frames >> 1]);   // an array of floats sorts by value
  polygon(points[0], 0, 6, accent, ground); polygon(at(middle), 5, 8, accent, ground); polygon(points[frames - 1], 3, 8, accent, ground);
  const now = Math.min(frames - 1, audio.currentTime / DATA.frame_s), t = Math.floor(now), f = now - t, next = points[Math.min(frames - 1, t + 1)];
  scene.marker = [points[t][0] + f * (next[0] - points[t][0]), points[t][1] + f * (next[1] - points[t][1])];
  if (audio.currentTime > 0 && !audio.ended) polygon(scene.marker, 0, 8, text, ground);
}

// ---- search, filters and colors: what does not match turns gray and stays
const plain = text => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();   // accents may be there or not, and stored either way
function haystack(i) {
  const words = (c, k) => c.kind === "category" ? c.values[c.data[k]] : c.notes ? value(c, k) : "";
  if (!searchable) searchable = DATA.names.map((s, k) => [s, ...columns.map(c => words(c, k))].join(" ")).map(plain);
  return searchable[i];
}
function filter() {
  const words = plain(get("query").value).split(/\s+/).filter(w => w && w !== "-");
  const without = words.filter(w => w[0] === "-").map(w => w.slice(1)), wanted = words.filter(w => w[0] !== "-");
  let count = 0;
  for (let i = 0; i < n; i++) {
    let ok = columns.every(c => (!c.range || (c.data[i] >= c.range[0] && c.data[i] <= c.range[1])) && (!c.chosen.size || c.chosen.has(c.data[i])));
    if (ok && words.length) { const text = haystack(i); ok = wanted.every(w => text.includes(w)) && !without.some(w => text.includes(w)); }
    matches[i] = ok; count += ok;
  }
  get("count").textContent = count === n ? `${n.toLocaleString("en")} sounds` : `${count.toLocaleString("en")} of ${n.toLocaleString("en")}`;
  get("all").hidden = count === n;
  restate();
  neighborsList();
}
function restate() {
  const shapes = shading && shading.shapes, look = new Float32Array(n);
  for (let i = 0; i < n; i++) look[i] = (matches[i] ? selected[i] ? 8 : 4 : 0) + (shapes ? shapes[shading.data[i]] : 0);
  scene.restate(look);
  controls();
}
function controls() {
  const count = selected.reduce((a, b) => a + b, 0);
  get("selected").textContent = count ? `${count.toLocaleString("en")} selected` : "None selected: what is saved are all that match.";
  get("clear").disabled = !count;
  const hint = "Choose “Draw a path”, then press points or draw a line.";
  get("steps").textContent = route.length ? `${route.length} points, ${stations().length} sounds` : hint;
  get("walk").disabled = get("keep").disabled = get("forget").disabled = !route.length;
  paint();
}
function recolor() {
  const c = shading = columns[get("color").value], rgb = new Uint8Array(3 * n);
  const table = c.kind === "category" ? c.colors.map(rgbOf) : c.scale.map(rgbOf);
  for (let i = 0; i < n; i++) {
    const v = c.data[i];
    rgb.set(c.kind === "category" ? table[v] : Number.isNaN(v) ? GRAY : between(table, share(c, v)), 3 * i);
  }
  scene.recolor(rgb);
  legend(c);
  restate();
}
function legend(c) {
  const box = get("legend");
  box.replaceChildren();
  if (c.kind === "number") { rangeLegend(c, box); return; }
  const counts = new Uint32Array(c.values.length);
  c.data.forEach(v => counts[v]++);
  c.values.forEach((text, v) => {
    if (!counts[v]) return;
    const button = make("button", "", box), mark = make("span", "", button);
    button.type = "button";
    button.setAttribute("aria-pressed", c.chosen.has(v));
    mark.className = "mark"; mark.dataset.shape = c.shapes[v]; mark.style.background = c.colors[v];
    make("bdi", readable(text), button);
    make("small", counts[v], button);
    button.addEventListener("click", () => {
      if (!c.chosen.delete(v)) c.chosen.add(v);
      button.setAttribute("aria-pressed", c.chosen.has(v));
      filter();
    });
  });
}
// Numbers are colored and chosen by their rank, or one long sound would make all others look alike; notes by their height.
function share(c, v) {
  const ks = c.knots, below = ks.findIndex(k => k >= v), above = ks.findLastIndex(k => k <= v);
  const at = below <= above ? (below + above) / 2 : above + (v - ks[above]) / (ks[below] - ks[above]);
  return at / (ks.length - 1);
}
function valueAt(c, percent) {
  const ks = c.knots, at = percent * (ks.length - 1) / 100, k = Math.floor(at);
  return k === at ? ks[k] : ks[k] + (at - k) * (ks[k + 1] - ks[k]);
}
function rangeLegend(c, box) {
  const bar = make("div", "", box), holder = make("div", "", box), ends = [c.knots[0], c.knots[c.knots.length - 1]];
  bar.className = "scale range"; holder.className = "range";
  bar.style.background = `linear-gradient(to right, ${c.scale.join()})`;
  const value = input => c.notes ? +input.value : valueAt(c, +input.value);
  const inputs = ["from", "to"].map((word, k) => {
    const label = make("label", word, holder), input = make("input", "", label), out = make("output", "", label);
    const [low, high] = c.notes ? [Math.floor(ends[0]), Math.ceil(ends[1])] : [0, 100], place = v => c.notes ? v : 100 * share(c, v);
    Object.assign(input, { type: "range", min: low, max: high, step: 1, value: c.range ? place(c.range[k]) : [low, high][k] });
    const write = () => { input.ariaValueText = out.textContent = c.notes ? noteName(+input.value) : value(input).toPrecision(3); };
    input.addEventListener("input", () => {
      const [a, b] = inputs.map(value);
      c.range = a <= ends[0] && b >= ends[1] ? null : [Math.min(a, b), Math.max(a, b)];
      write(); filter();
    });
    write();
    return input;
  });
}

// ---- selection and what is saved of it
function lasso(points) {
  const area = new Path2D(), ratio = ink.getTransform().a;   // a place is asked for in pixels of the canvas
  points.forEach(p => area.lineTo(...p));
  scene.projectAll();
  for (let i = 0; i < n; i++) if (matches[i] && ink.isPointInPath(area, ratio * scene.x[i], ratio * scene.y[i], "evenodd")) selected[i] = 1;
  restate();
}
function chosenSounds() {
  const all = [...Array(n).keys()], some = all.filter(i => selected[i]);
  return some.length ? some : all.filter(i => matches[i]);
}
// A spreadsheet would run a text that begins as a formula: such a text gets an apostrophe first.
const cell = v => typeof v === "number" ? (Number.isNaN(v) ? "" : String(v)) : '"' + (/^[=+\-@\t\r]/.test(v) ? "'" + v : v).replace(/"/g, '""') + '"';
function csv(rows) {
  const head = ["name", "file", ...columns.map(c => c.title), "x", "y", "z"];
  const labels = i => columns.map(c => c.kind === "number" ? c.data[i] : c.values[c.data[i]]);
  const body = rows.map(i => [DATA.names[i], file(i), ...labels(i), ...raw.subarray(3 * i, 3 * i + 3)]);
  return [head, ...body].map(r => r.map(cell).join(",")).join("\r\n") + "\r\n";
}
const file = i => DATA.files[i] || (audible(i) && !DATA.embedded ? `audio/${DATA.audio[i]}.mp3` : "");
// A line break would begin an entry of its own: a sound whose file has one is listed by its preview, as is one without a file.
function m3u(rows) {
  const preview = i => audible(i) && !DATA.embedded ? new URL(`audio/${DATA.audio[i]}.mp3`, location.href).href : "";
  const whole = i => !DATA.files[i] || /[\r\n]/.test(DATA.files[i]) ? preview(i) : DATA.files[i].replace(/^#/, "./#");
  const seconds = columnOf("seconds");
  return "#EXTM3U\n" + rows.filter(whole).map(i => `#EXTINF:${seconds ? Math.round(seconds.data[i]) || -1 : -1},${name(i)}\n${whole(i)}\n`).join("");
}
function save(text, type, as) {
  const link = make("a"), url = URL.createObjectURL(new Blob([text], { type }));
  link.href = url; link.download = as; link.click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

// ---- a path: straight from point to point, played as the nearest sounds along it
function stations() {
  if (route.length < 2) return route.slice();
  const ends = route.map(place), lengths = ends.slice(1).map((p, k) => Math.hypot(...p.map((v, a) => v - ends[k][a])));
  const total = lengths.reduce((a, b) => a + b, 0), found = [];
  for (let s = 0; s <= 100; s++) {
    let rest = s / 100 * total, k = 0;
    while (k < lengths.length - 1 && rest > lengths[k]) rest -= lengths[k++];
    const f = lengths[k] ? Math.min(1, rest / lengths[k]) : 0, near = nearest(...ends[k].map((v, a) => v + f * (ends[k + 1][a] - v)), 1)[0];
    if (near !== undefined && near !== found[found.length - 1]) found.push(near);
  }
  const step = Math.max(1, found.length / MAX_STEPS);
  return Array.from({ length: Math.ceil(found.length / step) }, (_, k) => found[Math.floor(k * step)]);
}
function walk() {
  silence();
  const sounds = stations().filter(audible), pace = +get("pace").value, fade = Math.min(0.3, pace / 2);
  if (!sounds.length) return;
  let k = -1, began = -Infinity, other = null;
  walking = setInterval(() => {
    const now = performance.now() / 1000;
    const f = Math.min(1, (now - began) / fade);
    audio.volume = Math.sin(f * Math.PI / 2);
    if (other) other.volume = Math.cos(f * Math.PI / 2);   // equal power
    if (other && f === 1) other.pause();
    if (now - began < pace) return;
    if (++k === sounds.length) { clearInterval(walking); walking = null; update(); return; }
    other = audio.paused || audio.sound === sounds[k] ? null : audio; began = now; playing = sounds[k];
    start(playing);
    audio.volume = 0;
    show(playing); loop();
    load(sounds[k + 1] ?? -1);
  }, 20);
}
function via(i) { if (i >= 0 && route[route.length - 1] !== i) { route.push(i); controls(); paint(); } }

// ---- pointer: press plays, drag turns, selects or draws
const stage = get("stage"), down = new Map();
let began = null, dwell = 0;
const under = e => scene.pick(...local(e), e.pointerType === "mouse" ? 12 : 24);
const local = e => { const b = stage.getBoundingClientRect(); return [e.clientX - b.left, e.clientY - b.top]; };
stage.addEventListener("contextmenu", e => e.preventDefault());
stage.addEventListener("pointerdown", e => {
  stage.setPointerCapture(e.pointerId);
  down.set(e.pointerId, local(e));
  began = { at: local(e), moved: down.size > 1, slide: e.button === 2 || down.size > 1, over: under(e) };
  load(began.over);   // before it is known whether this is a press or a drag
  stroke = [];
});
stage.addEventListener("pointermove", e => {
  const p = local(e), before = down.get(e.pointerId);
  if (!before) { hover(e, p); return; }
  if (!began.moved && Math.hypot(p[0] - began.at[0], p[1] - began.at[1]) < 5) return;
  began.moved = true;
  const [dx, dy] = [p[0] - before[0], p[1] - before[1]];
  if (down.size === 2) {
    const other = [...down].find(([id]) => id !== e.pointerId)[1], apart = q => Math.hypot(q[0] - other[0], q[1] - other[1]);
    zoom(apart(p) / Math.max(1, apart(before)), (p[0] + other[0]) / 2, (p[1] + other[1]) / 2);
    scene.pan[0] += dx / 2; scene.pan[1] += dy / 2;
  } else if (tool !== "turn" && !began.slide) stroke.push(p);
  else if (began.slide || scene.flat >= 0) { scene.pan[0] += dx; scene.pan[1] += dy; }
  else turn(-dx * 0.008, dy * 0.008);
  down.set(e.pointerId, p);
  moved();
});
function lift(e) {
  if (!down.delete(e.pointerId) || down.size) return;
  if (e.type === "pointerup" && !began.moved) {
    const i = began.over;
    if (i >= 0) { press(i); if (tool === "path") via(i); if (tool === "select") { selected[i] ^= 1; restate(); } }
  } else if (stroke.length > 1 && tool === "select") lasso(stroke);
  else if (stroke.length > 1 && tool === "path") {
    const every = Math.max(1, Math.floor(stroke.length / 16));
    stroke.filter((_, k) => k % every === 0 || k === stroke.length - 1).forEach(p => via(scene.pick(...p, 60)));
  }
  stroke = [];
  paint();
}
stage.addEventListener("pointerup", lift);
stage.addEventListener("pointercancel", lift);
stage.addEventListener("pointerleave", () => tip(-1));
stage.addEventListener("wheel", e => { e.preventDefault(); zoom(Math.exp(-e.deltaY * 0.0012), ...local(e)); }, { passive: false });
function turn(a, b) { scene.yaw += a; scene.pitch = Math.max(-1.5, Math.min(1.5, scene.pitch + b)); moved(); }
function zoom(factor, x = scene.width / 2, y = scene.height / 2) {
  const before = scene.zoom;
  scene.zoom = Math.max(0.4, Math.min(60, before * factor));
  [x - scene.width / 2, y - scene.height / 2].forEach((v, a) => { scene.pan[a] = v - (v - scene.pan[a]) * scene.zoom / before; });
  moved();
}
function tip(i) {
  if (i === over) return;
  over = i;
  clearTimeout(dwell);
  stage.classList.toggle("over", i >= 0);
  get("tip").hidden = i < 0;
  if (i >= 0) {
    get("tip").firstElementChild.textContent = name(i);
    const [x, y] = scene.project(...place(i)), right = x > scene.width / 2;
    const across = right ? { left: "", right: `${scene.width - x + 12}px` } : { left: `${x + 12}px`, right: "" };
    Object.assign(get("tip").style, across, { top: `${Math.max(2, y - 30)}px` });
  }
  paint();
}
function hover(e, p) {
  if (e.pointerType === "touch") return;
  const i = scene.pick(...p), fresh = i !== over;
  tip(i);
  if (fresh && i >= 0) dwell = setTimeout(() => pressed("hover") && !walking ? play(i) : load(i), 60);   // not each point passed on the way
}

// ---- keys
const KEYS = {
  ArrowLeft: () => step(-1, 0), ArrowRight: () => step(1, 0), ArrowUp: () => step(0, -1), ArrowDown: () => step(0, 1),
  "+": () => zoom(1.25), "=": () => zoom(1.25), "-": () => zoom(0.8), " ": () => get("play").click(),
  n: () => { const i = current < 0 ? 0 : nearest(...place(current), 1, j => j === current || heard.has(j))[0]; if (i !== undefined) press(i); },
  s: () => { if (playing >= 0) { selected[playing] ^= 1; restate(); } }, a: () => via(playing), p: () => walk(), m: () => get("hover").click(),
  f: () => { if (playing >= 0) { scene.center = place(playing); scene.pan = [0, 0]; paint(); } }, Escape: () => silence(),
};
addEventListener("keydown", e => {
  if (e.ctrlKey || e.metaKey || e.altKey || e.target.closest("input, select")) return;
  if (e.target.closest("button, summary, a") && e.key === " ") return;   // presses it
  const arrow = { ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0], ArrowUp: [0, 0.1], ArrowDown: [0, -0.1] }[e.key];
  const act = e.shiftKey && arrow ? () => turn(...arrow) : KEYS[e.key];
  if (act) { e.preventDefault(); act(); }
});
// The nearest sound, as near as the space has it, of those that lie that way on the screen.
function step(dx, dy) {
  if (current < 0) { const i = scene.pick(scene.width / 2, scene.height / 2, Infinity); if (i >= 0) press(i); return; }
  scene.projectAll();
  const [x, y] = [scene.x[current], scene.y[current]];
  const way = nearestTo(current, Math.min(n, 400)).find(j => {
    const [a, b] = [scene.x[j] - x, scene.y[j] - y], along = a * dx + b * dy;
    return along > 1 && along >= Math.abs(a * dy) + Math.abs(b * dx) - 1e-6;
  });
  if (way !== undefined) press(way);
}

// ---- the page
const pressed = id => get(id).getAttribute("aria-pressed") === "true";
function choices(holder, names, act) {
  names.forEach(([key, label], k) => {
    const button = make("button", label, get(holder));
    button.type = "button"; button.dataset.key = key; button.setAttribute("aria-pressed", k === 0);
    button.addEventListener("click", () => {
      for (const b of get(holder).children) b.setAttribute("aria-pressed", b === button);
      act(key);
    });
  });
}
function home() { scene.home(); paint(); }
function theme(dark) {
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  const unit = name => rgbOf(css(name)).map(v => v / 255);
  scene.ground = unit("--ground"); scene.rim = unit("--rim"); scene.mark = unit("--mark"); scene.faded = unit("--faded");
  paint();
}
const on = (id, act, event = "click") => get(id).addEventListener(event, act);
choices("views", [[-1, "3-D"], [2, "1·2"], [1, "1·3"], [0, "2·3"]], key => { scene.flat = key; home(); });
choices("pointers", [["turn", "Turn"], ["select", "Select"], ["path", "Draw a path"]], key => { tool = stage.dataset.tool = key; });
on("hover", () => get("hover").setAttribute("aria-pressed", !pressed("hover")));
on("home", home);
on("theme", () => theme(document.documentElement.dataset.theme !== "dark"));
on("query", () => { asked = true; filter(); }, "input");
on("search", e => { e.preventDefault(); if (matches.includes(1)) play(matches.indexOf(1)); }, "submit");
on("copy", () => {
  const name = DATA.files[playing], copied = navigator.clipboard ? navigator.clipboard.writeText(name) : Promise.reject();
  copied.then(() => { get("live").textContent = "copied"; }, () => prompt("Name of the file", name));
});
on("play", () => decks.some(d => !d.paused && !d.ended) ? silence() : play(playing));
const seek = seconds => { if (audio.duration) { audio.currentTime = Math.min(seconds, audio.duration); paint(); } };
on("seek", () => seek(get("seek").value * audio.duration), "input");
on("wave", e => seek(e.offsetX / get("wave").clientWidth * audio.duration));
on("picture", e => { if (thumbnail) seek(e.offsetX / get("picture").clientWidth * thumbnail.width * DATA.frame_s); });   // of a longer sound than is heard
on("color", recolor, "change");
on("all", () => { get("query").value = ""; columns.forEach(c => { c.chosen.clear(); c.range = null; }); legend(shading); filter(); });
on("add", () => { [playing, ...nearestTo(playing)].forEach(i => { selected[i] = 1; }); restate(); });
on("clear", () => { selected.fill(0); restate(); });
on("csv", () => save(csv(chosenSounds()), "text/csv", "sounds.csv"));
on("m3u", () => save(m3u(chosenSounds()), "audio/x-mpegurl", "sounds.m3u"));
on("via", () => via(playing));
on("walk", walk);
on("keep", () => { stations().forEach(i => { selected[i] = 1; }); restate(); });
on("forget", () => { route = []; controls(); paint(); });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", e => theme(e.matches));
addEventListener("message", e => { if (e.data === "dark" || e.data === "light") theme(e.data === "dark"); });   // the book around it has a theme
new ResizeObserver(() => { scene.resize(); paint(); }).observe(stage);

document.title = get("title").textContent = readable(DATA.title);
columns.forEach((c, k) => { const option = make("option", c.title); option.value = k; if (c.varied) get("color").append(option); });
if (!get("color").options.length) { const option = make("option", columns[0].title, get("color")); option.value = 0; }
scene.resize();
theme(matchMedia("(prefers-color-scheme: dark)").matches);
filter();
recolor();
// The first sound must not wait for the machinery of sound to start: a muted one wakes it, where that is allowed.
const first = DATA.audio.findIndex(Boolean);
if (first >= 0 && !DATA.embedded) {
  const waker = new Audio(source(first));
  waker.muted = true;
  waker.play().then(() => waker.pause()).catch(() => {});
}
const linked = () => { const i = parseInt(location.hash.slice(1), 10); return i >= 0 && i < n ? i : null; };   // index.html#12 is of sound 12
addEventListener("hashchange", () => { if (linked() !== null) press(linked()); });
const opened = linked() ?? DATA.first;
if (Number.isInteger(opened)) addEventListener("load", () => {   // shown at once, heard when it is wanted
  current = playing = opened;
  audio = load(current) || audio;
  show(current); neighborsList(); controls();
});
// For scripts beside the page, and for its tests.
const state = () => ({ current, playing, over, matches, selected, route, walking, time: audio.currentTime, src: audio.src });
const soundMap = { scene, place, press, stations, nearestTo, file, state };
