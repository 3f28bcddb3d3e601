// Plays true and predicted frames in step. Frames lie in one image per video, row by row.
"use strict";
const scenes = JSON.parse(document.getElementById("scenes").textContent);

function player(root) {
  const scene = scenes[root.dataset.scene];
  // "other" is a second model's prediction of the same scene, on pages that have one
  const all = { truth: ".true", predicted: ".predicted", other: ".other" };
  const screens = {};
  for (const [name, mark] of Object.entries(all)) if (root.querySelector(mark)) screens[name] = root.querySelector(mark);
  const slider = root.querySelector("input[type=range]");
  const button = root.querySelector(".play");
  const clock = root.querySelector("output");
  const label = (canvas) => {
    const figure = canvas.closest("figure");
    return figure.querySelector(".state") || figure.querySelector("figcaption");
  };
  const marks = root.querySelector(".tracks");
  const cursor = root.querySelector(".now");
  const images = {};
  let clockwork = 0;
  let started = 0;

  const frame = () => Number(slider.value);
  const past = () => !scene.judged && frame() < scene.cut;

  function load(name) {
    const image = new Image();
    image.onload = () => { images[name] = image; draw(); };
    image.src = scene[name].src;
  }

  function fit(canvas) {
    const ratio = window.devicePixelRatio || 1;
    const times = Math.max(1, Math.round((canvas.clientWidth * ratio) / scene.width));
    if (canvas.width !== times * scene.width) {
      canvas.width = times * scene.width;
      canvas.height = times * scene.height;
    }
    return times;
  }

  function picture(canvas, name, index) {
    const pen = canvas.getContext("2d");
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, canvas.width, canvas.height);
    const sheet = scene[name];
    if (!images[name] || index < 0 || index >= sheet.count) return;
    pen.imageSmoothingEnabled = false;
    const x = (index % sheet.columns) * scene.width;
    const y = Math.floor(index / sheet.columns) * scene.height;
    pen.drawImage(images[name], x, y, scene.width, scene.height, 0, 0, canvas.width, canvas.height);
  }

  // A dark casing under a light line keeps tracks legible on any picture.
  function stroke(pen, thin, colour, dash) {
    for (const [width, style] of [[thin * 2.6, "rgba(0,0,0,.55)"], [thin, colour]]) {
      pen.lineWidth = width;
      pen.strokeStyle = style;
      pen.setLineDash(style === colour ? dash : []);
      pen.stroke();
    }
  }

  function trace(pen, path, from, to, body, thin, colour, dash) {
    pen.beginPath();
    let down = false;
    scene.times.forEach((time, t) => {
      if (time < from - 1e-6 || time > to + 1e-6) return;
      const point = path[t] && path[t][body];
      if (point) { down ? pen.lineTo(point[0], point[1]) : pen.moveTo(point[0], point[1]); }
      down = Boolean(point);
    });
    stroke(pen, thin, colour, dash);
  }

  function tracks(canvas, name, times) {
    const pen = canvas.getContext("2d");
    pen.setTransform(times, 0, 0, times, 0, 0);
    pen.lineJoin = pen.lineCap = "round";
    const thin = (1.6 * (window.devicePixelRatio || 1)) / times;
    const now = frame() / scene.fps;
    const cut = (scene.cut - 1) / scene.fps;
    const at = scene.times.findLastIndex((time) => time <= now + 1e-6);
    const path = scene[`${name}_path`];
    for (const [u, v, hue] of scene.goals || []) {
      pen.beginPath();
      pen.arc(u, v, thin * 4, 0, 2 * Math.PI);
      stroke(pen, thin, `hsl(${hue} 90% 82%)`, [thin * 1.6, thin * 2.2]);
    }
    scene.hues.forEach((hue, body) => {
      const colour = `hsl(${hue} 90% 82%)`;
      if (name === "truth" || past()) {
        trace(pen, scene.true_path, 0, now, body, thin, colour, []);
        return;
      }
      trace(pen, scene.true_path, cut, now, body, thin * 0.8, "#fff", [thin * 2, thin * 3]);
      trace(pen, path, cut, now, body, thin, colour, []);
      const truth = at >= 0 && scene.seen[at][body] && scene.true_path[at][body];
      if (truth && !(path[at] && path[at][body])) {
        const [u, v] = truth;
        const arm = thin * 3;
        pen.beginPath();
        pen.moveTo(u - arm, v - arm); pen.lineTo(u + arm, v + arm);
        pen.moveTo(u - arm, v + arm); pen.lineTo(u + arm, v - arm);
        stroke(pen, thin, colour, []);
      }
    });
  }

  function draw() {
    const now = frame();
    const marked = Boolean(marks && marks.checked);
    for (const [name, canvas] of Object.entries(screens)) {
      const true_ = name === "truth" || past();
      picture(canvas, true_ ? "truth" : name, true_ ? now : now - scene.cut);
      if (marked) tracks(canvas, name, canvas.width / scene.width);
      if (name !== "truth") canvas.classList.toggle("shown", past());
    }
    const seconds = (now / scene.fps).toFixed(1);
    if (cursor) cursor.style.left = `${(100 * now) / Math.max(1, scene.truth.count - 1)}%`;
    if (scene.judged) {
      const inside = now >= scene.window[0] && now <= scene.window[1];
      clock.textContent = `${seconds} s${inside ? " event" : ""}`;
      slider.setAttribute("aria-valuetext", clock.textContent);
      return;
    }
    for (const [name, canvas] of Object.entries(screens)) {
      if (name === "truth") continue;
      const ended = now - scene.cut >= scene[name].count;
      label(canvas).textContent = past() ? "shown to the model" : ended ? "no frame was made" : "predicted";
    }
    clock.textContent = `${seconds} s ${past() ? "context" : "predicted"}`;
    slider.setAttribute("aria-valuetext", clock.textContent);
  }

  function layout() {
    if (!root.offsetParent) return;
    Object.values(screens).forEach(fit);
    draw();
  }

  function stop() {
    clearInterval(clockwork);
    clockwork = 0;
    button.classList.remove("on");
    button.setAttribute("aria-label", "Play");
  }

  function tick() {
    const rest = 0.8; // s on the last frame before it starts again
    const length = scene.truth.count / scene.fps;
    const at = ((performance.now() - started) / 1000) % (length + rest);
    const next = Math.min(scene.truth.count - 1, Math.floor(at * scene.fps));
    if (next !== frame()) { slider.value = next; draw(); }
  }

  function play() {
    const from = frame() >= scene.truth.count - 1 ? 0 : frame();
    slider.value = from;
    draw();
    started = performance.now() - (1000 * from) / scene.fps;
    clockwork = setInterval(tick, 500 / scene.fps);
    button.classList.add("on");
    button.setAttribute("aria-label", "Pause");
  }

  button.addEventListener("click", () => (clockwork ? stop() : play()));
  slider.addEventListener("input", () => { stop(); draw(); });
  for (const step of root.querySelectorAll("[data-step]")) step.addEventListener("click", () => {
    stop();
    slider.value = frame() + Number(step.dataset.step);
    draw();
  });
  if (marks) marks.addEventListener("change", (event) => {
    for (const other of document.querySelectorAll(".tracks")) other.checked = event.target.checked;
    document.dispatchEvent(new Event("redraw"));
  });
  document.addEventListener("redraw", draw);
  new ResizeObserver(layout).observe(root);
  layout();
  const shown = scene.judged ? 0 : (100 * (scene.cut - 0.5)) / Math.max(1, scene.truth.count - 1);
  slider.style.setProperty("--cut", `${shown}%`);
  Object.keys(screens).forEach(load);
}

// Scenes that lie folded away are made ready when they are unfolded, so that a long page opens at once.
for (const root of document.querySelectorAll("[data-scene]")) if (!root.closest(".rest")) player(root);
for (const rest of document.querySelectorAll(".rest")) {
  rest.addEventListener("toggle", () => rest.querySelectorAll("[data-scene]").forEach(player), { once: true });
}

// A dot of a distribution leads to its scene.
document.querySelectorAll(".case").forEach((dot) => {
  const scene = document.getElementById(dot.dataset.case);
  if (!scene) return;
  dot.addEventListener("click", () => {
    const rest = scene.closest("details");
    if (rest) rest.open = true;
    document.querySelectorAll(".case.current").forEach((other) => other.classList.remove("current"));
    dot.classList.add("current");
    scene.scrollIntoView({ block: "center" });
  });
});
