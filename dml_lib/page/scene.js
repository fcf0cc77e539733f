// The cloud: points drawn by WebGL (plain rectangles where there is none), a turntable camera, and what lies under the pointer.
"use strict";

const VERTEX = `
attribute vec3 place; attribute vec3 color; attribute float look;
uniform mat3 turn; uniform vec3 center; uniform vec2 zoom, shift; uniform float perspective, size, fog;
varying vec3 tint; varying float shape, depth, state;
void main() {
  vec3 q = turn * (place - center);
  state = floor(look / 4.0); shape = look - 4.0 * state;      // state 0: does not match, 1: matches, 2: selected
  float w = 1.0 + perspective * q.z;
  float near = clamp(q.z / 4.0, -1.0, 1.0);                   // what does not match lies behind all that does
  gl_Position = vec4(q.xy * zoom / w + shift, state < 0.5 ? 0.9 + 0.09 * near : 0.8 * near, 1.0);
  gl_PointSize = size * (state < 0.5 ? 0.7 : state > 1.5 ? 1.7 : 1.0) / w;
  depth = fog * clamp(0.5 + 0.4 * q.z, 0.0, 1.0);
  tint = color;
}`;
const FRAGMENT = `
precision mediump float;
varying vec3 tint; varying float shape, depth, state;
uniform vec3 ground, rim, mark, faded; uniform float pixels;
void main() {
  vec2 q = abs(2.0 * gl_PointCoord - 1.0);
  float edge = shape < 0.5 ? 1.0 - length(q) : shape < 1.5 ? (1.0 - q.x - q.y) * 0.8
    : shape < 2.5 ? 0.82 - max(q.x, q.y) : max(min(0.95 - q.x, 0.4 - q.y), min(0.4 - q.x, 0.95 - q.y));
  float soft = min(2.0 / pixels, 0.5), alpha = smoothstep(0.0, soft, edge);
  if (alpha < 0.2) discard;
  vec3 base = state < 0.5 ? faded : tint;
  vec3 line = state > 1.5 ? mark : mix(base, rim, 0.55);
  float width = state < 0.5 ? 0.0 : state > 1.5 ? 0.32 : pixels < 6.0 ? 0.0 : min(0.2, 1.6 / pixels);   // small ones are all color
  vec3 c = width > 0.0 ? mix(line, base, smoothstep(width, width + soft, edge)) : base;
  gl_FragColor = vec4(mix(c, ground, state < 0.5 ? 0.0 : depth), alpha * (state < 0.5 ? 0.55 : 1.0));
}`;
const UNIFORMS = "turn center zoom shift perspective size pixels fog ground rim mark faded".split(" ");

class Scene {
  constructor(canvas, points, way) {
    Object.assign(this, { canvas, n: points.length / 3, flat: -1 });
    this.home();
    const low = [Infinity, Infinity, Infinity], high = [-Infinity, -Infinity, -Infinity];
    for (const some of [points, way]) some.forEach((v, i) => { low[i % 3] = Math.min(low[i % 3], v); high[i % 3] = Math.max(high[i % 3], v); });
    this.middle = low.map((v, a) => (v + high[a]) / 2);
    this.half = Math.max(...low.map((v, a) => (high[a] - v) / 2), 1e-9);
    for (let i = 0; i < way.length; i += 3) {   // the way is in view from every side
      this.half = Math.max(this.half, Math.hypot(...this.middle.map((v, a) => way[i + a] - v)));
    }
    this.box = low.map((v, a) => (high[a] - v) / 2 / this.half);
    this.xyz = this.inside(points);
    this.look = new Float32Array(this.n).fill(4);
    this.rgb = new Uint8Array(3 * this.n).fill(128);
    this.x = new Float32Array(this.n); this.y = new Float32Array(this.n); this.z = new Float32Array(this.n);
    this.order = shuffled(this.n);                            // any first part of it is a fair sample of the cloud
    this.shown = this.n;
    canvas.addEventListener("webglcontextlost", e => e.preventDefault());
    canvas.addEventListener("webglcontextrestored", () => { this.start(); this.draw(); });
    this.start();
  }

  home() { Object.assign(this, { yaw: 0.7, pitch: 0.45, zoom: 1, pan: [0, 0], center: [0, 0, 0] }); }

  // From the coordinates of the space to the cube of the scene, for any number of points.
  inside(points) { return Float32Array.from(points, (v, i) => (v - this.middle[i % 3]) / this.half); }

  start() {
    const gl = this.gl = this.canvas.getContext("webgl", { antialias: false, alpha: false });
    if (!gl) { this.plain = this.canvas.getContext("2d"); return; }
    const program = gl.createProgram();
    for (const [kind, text] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, text); gl.compileShader(shader); gl.attachShader(program, shader);
    }
    gl.linkProgram(program); gl.useProgram(program);
    this.at = Object.fromEntries(UNIFORMS.map(name => [name, gl.getUniformLocation(program, name)]));
    this.buffers = {};
    for (const [name, size, type] of [["place", 3, gl.FLOAT], ["color", 3, gl.UNSIGNED_BYTE], ["look", 1, gl.FLOAT]]) {
      const place = gl.getAttribLocation(program, name);
      gl.bindBuffer(gl.ARRAY_BUFFER, this.buffers[name] = gl.createBuffer());
      gl.enableVertexAttribArray(place);
      gl.vertexAttribPointer(place, size, type, type === gl.UNSIGNED_BYTE, 0, 0);
    }
    gl.enable(gl.DEPTH_TEST); gl.enable(gl.BLEND);
    gl.blendFunc(gl.SRC_ALPHA, gl.ONE_MINUS_SRC_ALPHA);
    this.upload("place", this.xyz, 3);
    this.upload("color", this.rgb, 3);
    this.upload("look", this.look, 1);
  }

  upload(name, values, size) {
    if (!this.gl) return;
    const mixed = new values.constructor(values.length);
    for (let i = 0; i < this.n; i++) for (let a = 0; a < size; a++) mixed[size * i + a] = values[size * this.order[i] + a];
    this.gl.bindBuffer(this.gl.ARRAY_BUFFER, this.buffers[name]);
    this.gl.bufferData(this.gl.ARRAY_BUFFER, mixed, this.gl.STATIC_DRAW);
  }

  recolor(rgb) { this.rgb = rgb; this.upload("color", rgb, 3); }
  restate(look) { this.look = look; this.upload("look", look, 1); }

  // Rows: screen right, screen up, away from the viewer. A flat view looks along one axis.
  turn() {
    if (this.flat >= 0) return [[0, 1, 0, 0, 0, 1, -1, 0, 0], [1, 0, 0, 0, 0, 1, 0, 1, 0], [1, 0, 0, 0, 1, 0, 0, 0, -1]][this.flat];
    const [c, s, d, e] = [Math.cos(this.yaw), Math.sin(this.yaw), Math.cos(this.pitch), Math.sin(this.pitch)];
    return [-s, c, 0, -c * e, -s * e, d, -c * d, -s * d, -e];
  }

  resize() {
    const ratio = Math.min(devicePixelRatio || 1, 2), box = this.canvas.getBoundingClientRect();
    this.width = box.width; this.height = box.height;
    this.canvas.width = Math.round(box.width * ratio); this.canvas.height = Math.round(box.height * ratio);
    this.ratio = ratio;
  }

  camera() {
    const unit = this.zoom * (this.flat < 0 ? 0.42 * Math.min(this.width, 1.25 * this.height) : 0.46 * Math.min(this.width, this.height));
    return { m: this.turn(), unit, k: this.flat < 0 ? 0.22 : 0, c: this.center, cx: this.width / 2 + this.pan[0], cy: this.height / 2 + this.pan[1] };
  }

  // Pixels and depth of one place of the scene.
  project(x, y, z, view = this.camera()) {
    const { m, unit, k, c, cx, cy } = view, a = x - c[0], b = y - c[1], d = z - c[2];
    const depth = m[6] * a + m[7] * b + m[8] * d, w = unit / (1 + k * depth);
    return [cx + (m[0] * a + m[1] * b + m[2] * d) * w, cy - (m[3] * a + m[4] * b + m[5] * d) * w, depth];
  }

  projectAll() {
    const view = this.camera(), key = JSON.stringify(view);
    if (key === this.projected) return;
    const { m, unit, k, c, cx, cy } = view, { xyz, x, y, z } = this;
    for (let i = 0, j = 0; i < this.n; i++, j += 3) {
      const a = xyz[j] - c[0], b = xyz[j + 1] - c[1], d = xyz[j + 2] - c[2];
      z[i] = m[6] * a + m[7] * b + m[8] * d;
      const w = unit / (1 + k * z[i]);
      x[i] = cx + (m[0] * a + m[1] * b + m[2] * d) * w;
      y[i] = cy - (m[3] * a + m[4] * b + m[5] * d) * w;
    }
    this.projected = key;
  }

  // Pixels: smaller where there are many or the stage is small.
  pointSize() {
    const crowd = Math.pow(Math.max(this.n, 60) / 100, -0.22), room = Math.min(1, 0.4 + Math.min(this.width, this.height) / 1000);
    return Math.max(3, 15 * crowd * room) * Math.pow(this.zoom, 0.4);
  }

  // The matching point nearest to a place on the screen; of those under the pointer, the one in front.
  pick(px, py, reach = 12) {
    this.projectAll();
    const inner = Math.max(3, this.pointSize() / 2);
    let best = -1, cost = Infinity;
    for (let i = 0; i < this.n; i++) {
      if (this.look[i] < 4) continue;
      const far = Math.hypot(this.x[i] - px, this.y[i] - py);
      if (far > reach) continue;
      const value = (far <= inner ? 0 : far * 100) + this.z[i] + 10;
      if (value < cost) { cost = value; best = i; }
    }
    return best;
  }

  draw() {
    const view = this.camera(), { gl, ratio } = this, m = view.m;
    if (!gl) { this.drawPlain(); return; }
    const [w, h] = [this.width, this.height];
    gl.viewport(0, 0, this.canvas.width, this.canvas.height);
    gl.clearColor(...this.ground, 1); gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    gl.uniformMatrix3fv(this.at.turn, false, [m[0], m[3], m[6], m[1], m[4], m[7], m[2], m[5], m[8]]);
    gl.uniform3fv(this.at.center, view.c);
    gl.uniform2f(this.at.zoom, 2 * view.unit / w, 2 * view.unit / h);
    gl.uniform2f(this.at.shift, 2 * this.pan[0] / w, -2 * this.pan[1] / h);
    gl.uniform1f(this.at.perspective, view.k);
    for (const name of ["size", "pixels"]) gl.uniform1f(this.at[name], this.pointSize() * ratio);   // one each: shaders differ in precision
    gl.uniform1f(this.at.fog, this.flat < 0 ? 0.5 : 0);
    for (const name of ["ground", "rim", "mark", "faded"]) gl.uniform3fv(this.at[name], this[name]);
    gl.drawArrays(gl.POINTS, 0, this.shown);
  }

  drawPlain() {
    const ink = this.plain, css = c => `rgb(${c.map(v => Math.round(255 * v)).join()})`, s = this.pointSize() * 0.8;
    this.projectAll();
    ink.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    ink.fillStyle = css(this.ground); ink.fillRect(0, 0, this.width, this.height);
    for (const state of [0, 1, 2]) for (let j = 0; j < this.shown; j++) {
      const i = this.order[j];
      if (Math.floor(this.look[i] / 4) !== state) continue;
      ink.fillStyle = state ? `rgb(${this.rgb[3 * i]},${this.rgb[3 * i + 1]},${this.rgb[3 * i + 2]})` : css(this.faded);
      ink.fillRect(this.x[i] - s / 2, this.y[i] - s / 2, s, s);
    }
  }
}

function shuffled(n) {
  const order = Uint32Array.from({ length: n }, (_, i) => i);
  let seed = 1;
  for (let i = n - 1; i > 0; i--) {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    const j = seed % (i + 1);
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}
