// The 3D view of a report: no library, no network. Triangles of translucent structures are sorted by depth.
(() => {
  "use strict";

  const VERTEX = `#version 300 es
    uniform mat4 view, projection;
    uniform vec4 colors[32];
    in vec3 position, normal;
    in float part;
    out vec3 n, p;
    out vec4 color;
    void main() {
      vec4 seen = view * vec4(position, 1.0);
      p = seen.xyz;
      n = mat3(view) * normal;
      color = colors[int(part)];
      gl_Position = projection * seen;
    }`;

  const FRAGMENT = `#version 300 es
    precision highp float;
    in vec3 n, p;
    in vec4 color;
    out vec4 pixel;
    void main() {
      vec3 toEye = normalize(-p);
      vec3 m = normalize(n);
      if (dot(m, toEye) < 0.0) m = -m;
      float facing = clamp(dot(m, toEye), 0.0, 1.0);
      vec3 lamp = normalize(vec3(-0.35, 0.55, 0.75));
      float light = 0.30 + 0.42 * facing + 0.30 * max(dot(m, lamp), 0.0);
      float shine = 0.16 * pow(max(dot(m, normalize(lamp + toEye)), 0.0), 40.0);
      // Glass: more is seen where one looks along the surface than where one looks through it.
      float glass = color.a < 0.99 ? 1.0 : 0.0;
      float rim = glass * pow(1.0 - facing, 1.6) * min(color.a * 4.0, 0.85);
      pixel = vec4(color.rgb * mix(light, 0.82, 0.6 * glass) + shine * (1.0 - 0.7 * glass), mix(color.a, 1.0, rim));
    }`;

  // ---- small matrices: rows of the rotation are the directions of right, up and towards the eye, in RAS ----

  const FROM = {
    anterior: [[-1, 0, 0], [0, 0, 1], [0, 1, 0]],
    posterior: [[1, 0, 0], [0, 0, 1], [0, -1, 0]],
    right: [[0, 1, 0], [0, 0, 1], [1, 0, 0]],
    left: [[0, -1, 0], [0, 0, 1], [-1, 0, 0]],
    superior: [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    inferior: [[-1, 0, 0], [0, 1, 0], [0, 0, -1]],
  };
  const LENS = Math.tan(12.5 * Math.PI / 180); // half of what is seen, at a distance of 1
  const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
  const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
  const unit = (a) => { const s = Math.hypot(...a) || 1; return a.map((v) => v / s); };

  function turned(rows, x, y) {
    const [right, up, back] = rows, cx = Math.cos(x), sx = Math.sin(x), cy = Math.cos(y), sy = Math.sin(y);
    const mix = (a, b, c, s) => a.map((v, i) => c * v + s * b[i]);
    const side = mix(right, back, cx, -sx), toEye = mix(back, right, cx, sx);
    const newBack = unit(mix(toEye, up, cy, sy)), newRight = unit(side);
    return [newRight, cross(newBack, newRight), newBack];
  }

  function bytes(text) {
    const raw = atob(text), out = new Uint8Array(raw.length);
    for (let i = 0; i < raw.length; i++) out[i] = raw.charCodeAt(i);
    return out.buffer;
  }

  // ---- geometry: all structures in one buffer, normals from the triangles ----

  function unpack(meshes) {
    const parts = meshes.map((m) => ({
      points: new Uint16Array(bytes(m.points)),
      triangles: m.wide ? new Uint32Array(bytes(m.triangles)) : new Uint16Array(bytes(m.triangles)),
    }));
    const points = parts.reduce((n, q) => n + q.points.length / 3, 0);
    const corners = parts.reduce((n, q) => n + q.triangles.length, 0);
    const all = {
      position: new Float32Array(3 * points), normal: new Float32Array(3 * points), part: new Float32Array(points),
      index: new Uint32Array(corners), center: new Float32Array(corners), first: [],
    };
    let point = 0, corner = 0;
    parts.forEach((q, k) => {
      const count = q.points.length / 3;
      for (let i = 0; i < q.points.length; i++) {
        all.position[3 * point + i] = meshes[k].low[i % 3] + q.points[i] * meshes[k].step[i % 3];
      }
      all.part.fill(k, point, point + count);
      for (let i = 0; i < q.triangles.length; i++) all.index[corner + i] = q.triangles[i] + point;
      all.first.push([corner, q.triangles.length]);
      point += count;
      corner += q.triangles.length;
    });
    addNormals(all);
    return all;
  }

  function addNormals(all) {
    const { position: p, normal: n, index, center } = all;
    for (let t = 0; t < index.length; t += 3) {
      const [a, b, c] = [3 * index[t], 3 * index[t + 1], 3 * index[t + 2]];
      const u = [p[b] - p[a], p[b + 1] - p[a + 1], p[b + 2] - p[a + 2]];
      const v = [p[c] - p[a], p[c + 1] - p[a + 1], p[c + 2] - p[a + 2]];
      const w = cross(u, v);
      for (let i = 0; i < 3; i++) {
        n[a + i] += w[i]; n[b + i] += w[i]; n[c + i] += w[i];
        center[t + i] = (p[a + i] + p[b + i] + p[c + i]) / 3;
      }
    }
    for (let i = 0; i < n.length; i += 3) {
      const s = Math.hypot(n[i], n[i + 1], n[i + 2]) || 1;
      n[i] /= s; n[i + 1] /= s; n[i + 2] /= s;
    }
  }

  // Far triangles first, by counting sort of their depth.
  function sorted(all, ranges, back) {
    const total = ranges.reduce((n, r) => n + r[1], 0) / 3;
    const triangle = new Uint32Array(total), depth = new Float32Array(total);
    let k = 0, low = Infinity, high = -Infinity;
    for (const [first, length] of ranges) {
      for (let t = first; t < first + length; t += 3, k++) {
        const d = back[0] * all.center[t] + back[1] * all.center[t + 1] + back[2] * all.center[t + 2];
        triangle[k] = t; depth[k] = d;
        if (d < low) low = d;
        if (d > high) high = d;
      }
    }
    const bins = 4096, scale = (bins - 1) / (high - low || 1), start = new Uint32Array(bins + 1);
    for (let i = 0; i < total; i++) start[1 + ((depth[i] - low) * scale | 0)]++;
    for (let i = 0; i < bins; i++) start[i + 1] += start[i];
    const order = new Uint32Array(3 * total);
    for (let i = 0; i < total; i++) {
      const place = 3 * start[(depth[i] - low) * scale | 0]++, t = triangle[i];
      order[place] = all.index[t]; order[place + 1] = all.index[t + 1]; order[place + 2] = all.index[t + 2];
    }
    return order;
  }

  function bounds(all) {
    const low = [Infinity, Infinity, Infinity], high = [-Infinity, -Infinity, -Infinity];
    all.position.forEach((v, i) => {
      low[i % 3] = Math.min(low[i % 3], v);
      high[i % 3] = Math.max(high[i % 3], v);
    });
    const middle = low.map((v, i) => (v + high[i]) / 2), half = low.map((v, i) => (high[i] - v) / 2);
    return { middle, half, radius: Math.hypot(...half) };
  }

  class Viewer {
    constructor(root) {
      const data = JSON.parse(root.querySelector("script").textContent);
      this.root = root;
      this.canvas = root.querySelector("canvas");
      this.gl = this.canvas.getContext("webgl2", { antialias: true, preserveDrawingBuffer: true });
      if (!this.gl) return this.withoutWebGL();
      this.meshes = data.meshes.map((m) => ({ ...m, points: null, triangles: null }));
      this.all = unpack(data.meshes);
      this.bounds = bounds(this.all);
      this.setUp();
      this.makeControls(data.presets);
      this.listen();
      this.reset();
    }

    withoutWebGL() {
      const note = this.root.querySelector(".no-webgl"), still = this.root.querySelector("noscript");
      note.hidden = false;
      if (still) note.insertAdjacentHTML("beforeend", still.textContent);
    }

    setUp() {
      const gl = this.gl, program = gl.createProgram();
      for (const [kind, text] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
        const shader = gl.createShader(kind);
        gl.shaderSource(shader, text);
        gl.compileShader(shader);
        gl.attachShader(program, shader);
      }
      gl.linkProgram(program);
      if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program));
      gl.useProgram(program);
      for (const [name, size] of [["position", 3], ["normal", 3], ["part", 1]]) {
        gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
        gl.bufferData(gl.ARRAY_BUFFER, this.all[name], gl.STATIC_DRAW);
        const place = gl.getAttribLocation(program, name);
        gl.enableVertexAttribArray(place);
        gl.vertexAttribPointer(place, size, gl.FLOAT, false, 0, 0);
      }
      this.solid = gl.createBuffer();
      gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, this.solid);
      gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, this.all.index, gl.STATIC_DRAW);
      this.glass = gl.createBuffer();
      this.place = (name) => gl.getUniformLocation(program, name);
      gl.enable(gl.DEPTH_TEST);
      gl.blendFunc(gl.SRC_ALPHA, gl.ONE_MINUS_SRC_ALPHA);
      gl.clearColor(1, 1, 1, 1);
    }

    reset(from = "anterior") {
      this.rows = FROM[from].map((r) => r.slice());
      this.shift = [0, 0];
      const { half, radius } = this.bounds, [right, up, back] = this.rows;
      const size = (axis) => axis.reduce((sum, v, i) => sum + Math.abs(v) * half[i], 0);
      const aspect = this.canvas.clientWidth / Math.max(this.canvas.clientHeight, 1);
      const needed = 1.06 * Math.max(size(up), size(right) / aspect) / LENS + size(back);
      this.zoom = radius / (LENS * Math.min(1, aspect)) / needed;
      this.draw();
    }

    draw() {
      if (this.waiting) return;
      this.waiting = true;
      requestAnimationFrame(() => { this.waiting = false; this.drawNow(); });
    }

    drawNow() {
      const gl = this.gl, canvas = this.canvas, density = Math.min(window.devicePixelRatio || 1, 2);
      const width = Math.max(1, Math.round(canvas.clientWidth * density));
      const height = Math.max(1, Math.round(canvas.clientHeight * density));
      if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; }
      gl.viewport(0, 0, width, height);
      gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
      this.setCamera(width / height);
      const shown = this.meshes.map((m, k) => k).filter((k) => this.meshes[k].visible && this.meshes[k].opacity > 0.01);
      gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, this.solid);
      gl.disable(gl.BLEND);
      gl.depthMask(true);
      for (const k of shown.filter((i) => this.meshes[i].opacity > 0.99)) {
        gl.drawElements(gl.TRIANGLES, this.all.first[k][1], gl.UNSIGNED_INT, 4 * this.all.first[k][0]);
      }
      const glass = shown.filter((i) => this.meshes[i].opacity <= 0.99).map((i) => this.all.first[i]);
      if (glass.length) {
        const order = sorted(this.all, glass, this.rows[2]);
        gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, this.glass);
        gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, order, gl.STREAM_DRAW);
        gl.enable(gl.BLEND);
        gl.depthMask(false);
        gl.drawElements(gl.TRIANGLES, order.length, gl.UNSIGNED_INT, 0);
      }
      gl.depthMask(true);
      this.drawCompass();
    }

    setCamera(aspect) {
      const gl = this.gl, { middle, radius } = this.bounds, [right, up, back] = this.rows;
      const distance = radius / (LENS * Math.min(1, aspect)) / this.zoom;
      const move = (axis, by) => -dot(axis, middle) + by;
      const view = [
        right[0], up[0], back[0], 0, right[1], up[1], back[1], 0, right[2], up[2], back[2], 0,
        move(right, this.shift[0]), move(up, this.shift[1]), move(back, -distance), 1,
      ];
      const near = Math.max(distance - 2.5 * radius, 1), far = distance + 2.5 * radius, t = LENS;
      const projection = [
        1 / (t * aspect), 0, 0, 0, 0, 1 / t, 0, 0,
        0, 0, (near + far) / (near - far), -1, 0, 0, 2 * near * far / (near - far), 0,
      ];
      this.perPixel = 2 * distance * t / Math.max(this.canvas.clientHeight, 1);
      gl.uniformMatrix4fv(this.place("view"), false, view);
      gl.uniformMatrix4fv(this.place("projection"), false, projection);
      gl.uniform4fv(this.place("colors"), this.meshes.flatMap((m) => [...m.color, m.opacity]));
    }

    drawCompass() {
      const svg = this.root.querySelector(".compass"), [right, up, back] = this.rows, parts = [];
      const letters = [["R", "L"], ["A", "P"], ["S", "I"]];
      letters.forEach((pair, axis) => pair.forEach((letter, side) => {
        const sign = side ? -1 : 1, x = 34 * sign * right[axis], y = -34 * sign * up[axis], depth = sign * back[axis];
        parts.push([depth, `<line x2="${0.72 * x}" y2="${0.72 * y}" stroke="#8d99a6" stroke-width="1.5"/>` +
          `<text x="${x}" y="${y + 5}" text-anchor="middle" fill="#2b3844" opacity="${0.45 + 0.55 * (depth + 1) / 2}">${letter}</text>`]);
      }));
      svg.innerHTML = parts.sort((a, b) => a[0] - b[0]).map((q) => q[1]).join("");
    }

    // ---- controls ----

    makeControls(presets) {
      const list = this.root.querySelector(".structures"), choices = this.root.querySelector(".presets");
      this.meshes.forEach((mesh) => list.append(this.row(mesh)));
      for (const [name, opacities] of Object.entries(presets)) {
        const button = document.createElement("button");
        button.type = "button";
        button.textContent = name;
        button.addEventListener("click", () => this.show(opacities));
        choices.append(button);
      }
      choices.hidden = !Object.keys(presets).length;
      for (const button of this.root.querySelectorAll("[data-from]")) {
        button.addEventListener("click", () => this.reset(button.dataset.from));
      }
      this.root.querySelector(".controls").hidden = false;
    }

    row(mesh) {
      const row = document.createElement("div"), label = document.createElement("label");
      const box = document.createElement("input"), slider = document.createElement("input");
      const name = document.createElement("span"), swatch = document.createElement("span"), value = document.createElement("span");
      row.className = "structure";
      row.dataset.key = mesh.key;
      box.type = "checkbox";
      slider.type = "range";
      slider.max = 100;
      slider.setAttribute("aria-label", `Opacity of ${mesh.name}`);
      swatch.className = "swatch";
      swatch.style.background = `rgb(${mesh.color.map((c) => Math.round(255 * c)).join(" ")})`;
      name.append(swatch, mesh.name);
      value.className = "value";
      value.textContent = mesh.value;
      label.append(box, name, value);
      row.append(label, slider);
      mesh.sync = () => { box.checked = mesh.visible; slider.value = Math.round(100 * mesh.opacity); };
      mesh.sync();
      box.addEventListener("change", () => { mesh.visible = box.checked; this.draw(); });
      slider.addEventListener("input", () => { mesh.opacity = slider.value / 100; this.draw(); });
      return row;
    }

    show(opacities) {
      for (const mesh of this.meshes) {
        mesh.visible = mesh.key in opacities;
        if (mesh.visible) mesh.opacity = opacities[mesh.key];
        mesh.sync();
      }
      this.draw();
    }

    // ---- mouse, touch, keys ----

    listen() {
      const canvas = this.canvas, held = new Map();
      const span = () => { const [a, b] = [...held.values()]; return Math.hypot(a.x - b.x, a.y - b.y); };
      canvas.addEventListener("pointerdown", (e) => {
        canvas.setPointerCapture(e.pointerId);
        held.set(e.pointerId, { x: e.clientX, y: e.clientY });
        canvas.focus({ preventScroll: true });
      });
      canvas.addEventListener("pointermove", (e) => {
        const last = held.get(e.pointerId);
        if (!last) return;
        const dx = e.clientX - last.x, dy = e.clientY - last.y, before = held.size === 2 ? span() : 0;
        held.set(e.pointerId, { x: e.clientX, y: e.clientY });
        if (before) this.zoomBy(span() / before);
        if (before || e.shiftKey || e.buttons === 2 || e.buttons === 4) this.pan(dx / held.size, dy / held.size);
        else this.turn(dx, dy);
      });
      const release = (e) => held.delete(e.pointerId);
      canvas.addEventListener("pointerup", release);
      canvas.addEventListener("pointercancel", release);
      canvas.addEventListener("contextmenu", (e) => e.preventDefault());
      canvas.addEventListener("dblclick", () => this.reset());
      canvas.addEventListener("wheel", (e) => {
        if (document.activeElement !== canvas) return; // the page scrolls until the view is clicked
        e.preventDefault();
        this.zoomBy(Math.exp(-0.0015 * e.deltaY));
      }, { passive: false });
      canvas.addEventListener("keydown", (e) => this.key(e));
      canvas.addEventListener("webglcontextlost", (e) => e.preventDefault());
      canvas.addEventListener("webglcontextrestored", () => { this.setUp(); this.draw(); });
      new ResizeObserver(() => this.draw()).observe(canvas);
      window.addEventListener("beforeprint", () => this.drawNow());
    }

    turn(dx, dy) { this.rows = turned(this.rows, -0.008 * dx, 0.008 * dy); this.draw(); }
    pan(dx, dy) { this.shift[0] += dx * this.perPixel; this.shift[1] -= dy * this.perPixel; this.draw(); }
    zoomBy(factor) { this.zoom = Math.min(20, Math.max(0.3, this.zoom * factor)); this.draw(); }

    key(event) {
      const step = { ArrowLeft: [-20, 0], ArrowRight: [20, 0], ArrowUp: [0, -20], ArrowDown: [0, 20] }[event.key];
      if (step && event.shiftKey) this.pan(...step);
      else if (step) this.turn(...step);
      else if (event.key === "+" || event.key === "=") this.zoomBy(1.15);
      else if (event.key === "-") this.zoomBy(1 / 1.15);
      else if (event.key === "0" || event.key === "Home") this.reset();
      else return;
      event.preventDefault();
    }
  }

  document.querySelectorAll("[data-view3d]").forEach((root) => { root.viewer = new Viewer(root); });
})();
