// Move draws through a planar flow, a part of a step at a time, and keep account of their density.
(() => {
  const MARGIN = 1e-3, SHIFT = Math.log(Math.expm1(1 - MARGIN));

  // û and wᵀû of a step from the numbers of the flow (eq. 4.6); a share of û is a step that can be undone as well.
  function prepared([u, w, b]) {
    const a = w[0] * u[0] + w[1] * u[1], squares = w[0] ** 2 + w[1] ** 2 + 1e-20;
    const slope = LadderLive.softplus(a + SHIFT) - 1 + MARGIN;
    return { w, b, slope, u: u.map((v, i) => v + ((slope - a) / squares) * w[i]) };
  }

  // One step (eq. 4.5), or the given share of it: the point after it and log |det| of its Jacobian.
  function step({ u, w, b, slope }, [x, y], share = 1) {
    const h = Math.tanh(w[0] * x + w[1] * y + b);
    return { z: [x + share * u[0] * h, y + share * u[1] * h], logAbsDet: Math.log1p(share * slope * (1 - h * h)) };
  }

  const logNormal = ([x, y]) => -(x * x + y * y) / 2 - Math.log(2 * Math.PI);

  // The way of one point through `time` steps: where it is, and the log-determinant of each step or part of one.
  function walk(steps, start, time) {
    let z = start;
    const logs = steps.map((one, t) => {
      const moved = step(one, z, Math.max(0, Math.min(1, time - t)));
      z = moved.z;
      return moved.logAbsDet;
    });
    return { z, logs };
  }

  const total = (numbers) => numbers.reduce((a, b) => a + b, 0);

  // Area of a polygon, by the shoelace formula.
  const area = (points) => Math.abs(total(points.map(([x, y], i) => {
    const [p, q] = points[(i + 1) % points.length];
    return x * q - p * y;
  }))) / 2;

  LadderLive.kind("flow", (figure, stored, ui) => {
    const { element } = ui, steps = stored.steps.map(prepared), size = 440, reach = stored.reach, draws = 500, radius = 0.25;
    const state = { time: 0, points: [], chosen: 0 };
    const place = ([x, y]) => [((x + reach) / (2 * reach)) * size, ((reach - y) / (2 * reach)) * size];
    const pad = element("canvas", { class: "live-pad", width: size, height: size, role: "img" });
    const chart = element("canvas", { class: "live-chart", role: "img" });
    const ledger = element("table", { class: "live-ledger" }), value = element("output", { class: "live-value" });
    const slider = ui.slider("step", { min: 0, max: steps.length, step: 0.1, value: 0 }, (time) => { state.time = time; update(); });
    slider.append(value);

    function redraw() {
      state.points = Array.from({ length: draws }, () => [ui.normal(), ui.normal()]);
      state.points[0] = [0.55, 0.5];
      state.chosen = 0;
    }

    // The target as a small picture, which the pad enlarges.
    const cells = Math.round(Math.sqrt(stored.target.length)), target = element("canvas", { width: cells, height: cells });

    function drawTarget() {
      const context = target.getContext("2d", { willReadFrequently: true });
      context.fillStyle = ui.color("muted");
      context.fillRect(0, 0, cells, cells);
      const shades = context.getImageData(0, 0, cells, cells);
      stored.target.forEach((shade, i) => { shades.data[4 * i + 3] = 0.5 * shade; });
      context.putImageData(shades, 0, 0);
    }

    function drawPad(walks, outline) {
      const context = pad.getContext("2d"), dot = (z, r) => { context.beginPath(); context.arc(...place(z), r, 0, 7); context.fill(); };
      context.clearRect(0, 0, size, size);
      drawTarget();
      context.drawImage(target, 0, 0, size, size);
      context.fillStyle = ui.color("z1");
      for (const { z } of walks) dot(z, 2.6);
      context.fillStyle = context.strokeStyle = ui.color("z2");
      context.lineWidth = 3;
      context.beginPath();
      outline.forEach((point, i) => (i ? context.lineTo(...place(point)) : context.moveTo(...place(point))));
      context.closePath();
      context.stroke();
      context.globalAlpha = 0.25;
      context.fill();
      context.globalAlpha = 1;
      dot(walks[state.chosen].z, 4);
    }

    function drawBars(mean) {
      const most = Math.max(0.2, ...stored.means.map(Math.abs)) * 1.15;
      const plot = new LadderLive.Chart(chart, ui, {
        x: [0.4, steps.length + 0.6], y: [-most, most], xTicks: steps.map((_, t) => t + 1), yTicks: [-0.5, 0, 0.5].filter((v) => Math.abs(v) < most),
        xLabel: "step", yLabel: "mean log |det|, nats", share: 0.55,
      });
      mean.forEach((log, t) => plot.bar(t + 1, log, 0.6, ui.color("z1")));
    }

    function account(rows) {
      ledger.replaceChildren(element("tr", {}, element("th", {}), element("th", {}, "all draws"), element("th", {}, "orange one")),
        ...rows.map(([label, ...numbers], i) => element("tr", { class: i === 2 ? "live-sum" : "" }, element("th", {}, label),
          ...numbers.map((number) => element("td", {}, number.toFixed(2).replace("-", "−"))))));
    }

    function update() {
      const walks = state.points.map((start) => walk(steps, start, state.time)), start = state.points[state.chosen], one = walks[state.chosen];
      const mean = steps.map((_, t) => total(walks.map(({ logs }) => logs[t])) / draws);
      const circle = Array.from({ length: 64 }, (_, i) => [start[0] + radius * Math.cos((i * Math.PI) / 32), start[1] + radius * Math.sin((i * Math.PI) / 32)]);
      const outline = circle.map((point) => walk(steps, point, state.time).z), base = total(state.points.map(logNormal)) / draws;
      drawPad(walks, outline);
      drawBars(mean);
      account([
        ["log q₀(z₀)", base, logNormal(start)],
        ["− Σ log |det|", -total(mean), -total(one.logs)],
        ["= log q(z) here", base - total(mean), logNormal(start) - total(one.logs)],
      ]);
      const grown = area(outline) / area(circle);
      patch.textContent = `Area of the orange patch: × ${grown.toFixed(2)} by its outline, × ${Math.exp(total(one.logs)).toFixed(2)} by exp(Σ log |det|) at its centre. They agree where log |det| hardly changes inside the patch.`;
      value.textContent = state.time.toFixed(1);
      slider.input.value = state.time;
      pad.setAttribute("aria-label", `${draws} draws after ${value.textContent} of ${steps.length} steps, and a patch around one of them. ${patch.textContent}`);
      chart.setAttribute("aria-label", `Mean log-determinant of each step: ${mean.map((log) => log.toFixed(2)).join(", ")}`);
    }
    const patch = element("p", { class: "live-facts" });

    pad.addEventListener("pointerdown", (event) => {
      const box = pad.getBoundingClientRect(), at = [((event.clientX - box.left) / box.width) * size, ((event.clientY - box.top) / box.height) * size];
      const far = state.points.map((start) => { const [x, y] = place(walk(steps, start, state.time).z); return Math.hypot(x - at[0], y - at[1]); });
      state.chosen = far.indexOf(Math.min(...far));
      update();
    });

    redraw();
    const buttons = element("div", { class: "live-buttons" },
      ui.button("One step on", () => { state.time = state.time >= steps.length ? 0 : Math.floor(state.time + 1.0001); update(); }),
      ui.button("Another patch", () => { state.chosen = (state.chosen + 1) % draws; update(); }),
      ui.button("Draw again", () => { redraw(); update(); }));
    const panel = element("div", { class: "live-halves" },
      element("div", {}, pad, slider, buttons), element("div", {}, chart, ledger, patch));

    const look = "Now go through the steps and watch the patch: where it spreads, bars point up and log q falls. Choose other patches by a click.";
    return {
      panel, update,
      question: "A step squeezes a small patch of draws to half of its area. What happens to log q there?",
      choices: [
        ["It rises by log 2 = 0.69", `Yes: the same mass on half of the area. ${look}`],
        ["It falls by log 2 = 0.69", `No: the same mass lies on half of the area, so the density doubles, and log q rises by 0.69. ${look}`],
        ["Nothing: no draw is lost", `No draw is lost, but the same mass lies on half of the area: the density doubles. ${look}`],
      ],
      numbers: ({ starts, time }) => {
        const walks = starts.map((start) => walk(steps, start, time));
        return { z: walks.map(({ z }) => z), logs: walks.map(({ logs }) => logs) };
      },
    };
  });
})();
