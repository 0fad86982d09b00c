// Draws from a von Mises-Fisher distribution on a sphere that one can turn, their cosine's density, and nats.
(() => {
  const HALF_LOG_PI = 0.5 * Math.log(Math.PI);

  // log Γ(n / 2) for whole n ≥ 1.
  function logGammaHalf(n) {
    let sum = n % 2 ? HALF_LOG_PI : 0;
    for (let k = n % 2 ? 1 : 2; k < n; k += 2) sum += Math.log(k / 2);
    return sum;
  }

  // log Σ_k (κ²/4)^k / (k! (m/2)_k): the Bessel function I_{m/2−1}(κ) divided by its first term. All terms are positive.
  function logSeries(m, kappa) {
    let term = 1, sum = 1, log = 0;
    for (let k = 1; term > 1e-17 * sum; k++) {
      term *= (kappa * kappa) / 4 / (k * (m / 2 + k - 1));
      sum += term;
      if (sum > 1e200) { log += Math.log(sum); term /= sum; sum = 1; }
    }
    return log + Math.log(sum);
  }

  // Mean cosine A (eq. 5.6), KL to the uniform distribution (5.7) and entropy (5.8), in nats.
  function vonMisesFisher(m, kappa) {
    const series = logSeries(m, kappa), mean = (kappa / m) * Math.exp(logSeries(m + 2, kappa) - series);
    const kl = kappa * mean - series, logArea = Math.log(2) + m * HALF_LOG_PI - logGammaHalf(m);
    const front = logGammaHalf(m) - HALF_LOG_PI - logGammaHalf(m - 1) - series;
    return { mean, kl, entropy: logArea - kl, logDensity: (t) => front + kappa * t + ((m - 3) / 2) * Math.log1p(-t * t) };
  }

  // The cosine below which a share u of the mass lies, for each u: the distribution function inverted on a grid.
  function cosines(m, kappa, ranks, cells = 4000) {
    const below = new Float64Array(cells + 1), logs = new Float64Array(cells);
    let most = -Infinity;
    for (let i = 0; i < cells; i++) {
      const theta = Math.PI * (1 - (i + 0.5) / cells);
      logs[i] = kappa * Math.cos(theta) + (m - 2) * Math.log(Math.sin(theta));
      if (logs[i] > most) most = logs[i];
    }
    for (let i = 0; i < cells; i++) below[i + 1] = below[i] + Math.exp(logs[i] - most);
    return ranks.map((rank) => {
      const wanted = rank * below[cells];
      let low = 0, high = cells;
      while (high - low > 1) {
        const middle = (low + high) >> 1;
        if (below[middle] <= wanted) low = middle; else high = middle;
      }
      const part = (wanted - below[low]) / (below[high] - below[low]);
      return Math.cos(Math.PI * (1 - (low + part) / cells));
    });
  }

  const SIZE = 440, RADIUS = 168, DRAWS = 400, DIMS = [2, 3, 4, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 512];
  const concentration = (place) => (place <= 0 ? 0 : 0.2 * 10 ** (place / 20)); // 0, then 0.2 … 5024

  // A point at cosine t and longitude φ around μ, seen from a side: [across, up, towards the reader].
  function turned(t, longitude, { yaw, pitch }) {
    const flat = Math.sqrt(Math.max(0, 1 - t * t)), x = flat * Math.cos(longitude + yaw), depth = flat * Math.sin(longitude + yaw);
    return [x, t * Math.cos(pitch) - depth * Math.sin(pitch), t * Math.sin(pitch) + depth * Math.cos(pitch)];
  }

  function drawSphere(canvas, cosine, longitudes, view, ui) {
    const context = canvas.getContext("2d"), ink = ui.color("ink"), mark = ui.color("z2"), middle = SIZE / 2;
    const place = ([x, y]) => [middle + RADIUS * x, middle - RADIUS * y];
    context.clearRect(0, 0, SIZE, SIZE);
    const curve = (points) => {
      for (let i = 1; i < points.length; i++) {
        context.globalAlpha = points[i][2] > 0 ? 0.45 : 0.15;
        context.beginPath();
        context.moveTo(...place(points[i - 1]));
        context.lineTo(...place(points[i]));
        context.stroke();
      }
    };
    const round = Array.from({ length: 73 }, (_, i) => (i * Math.PI) / 36);
    Object.assign(context, { strokeStyle: ink, lineWidth: 1.2 });
    for (const t of [-0.5, 0, 0.5]) curve(round.map((angle) => turned(t, angle, view)));
    for (const side of [0, Math.PI / 2]) curve(round.map((angle) => turned(Math.cos(angle), side + (angle > Math.PI ? Math.PI : 0), view)));
    context.globalAlpha = 0.6;
    context.beginPath();
    context.arc(middle, middle, RADIUS, 0, 7);
    context.stroke();
    const seen = Array.from(cosine, (t, i) => turned(t, longitudes[i], view)).sort((a, b) => a[2] - b[2]);
    for (const point of seen) {
      context.globalAlpha = point[2] > 0 ? 0.9 : 0.3;
      context.fillStyle = ui.color("accent");
      context.beginPath();
      context.arc(...place(point), point[2] > 0 ? 3.4 : 2.6, 0, 7);
      context.fill();
    }
    const top = turned(1, 0, view), tip = place(top.map((v) => 1.22 * v));
    context.globalAlpha = top[2] > 0 ? 1 : 0.5;
    Object.assign(context, { strokeStyle: mark, fillStyle: mark, lineWidth: 4, font: "600 22px system-ui, sans-serif" });
    context.beginPath();
    context.moveTo(middle, middle);
    context.lineTo(...tip);
    context.stroke();
    context.fillText("μ", tip[0] + 9, tip[1] + 12);
    context.globalAlpha = 1;
  }

  function drawDensity(canvas, m, law, ui) {
    const mark = ui.color("z2");
    const points = Array.from({ length: 401 }, (_, i) => Math.cos(Math.PI * (1 - (i + 0.5) / 401)));
    const density = points.map((t) => Math.exp(law.logDensity(t)));
    const most = Math.max(...density.filter((_, i) => m > 2 || Math.abs(points[i]) < 0.98));
    const chart = new LadderLive.Chart(canvas, ui, {
      x: [-1, 1], y: [0, 1.12 * most], xTicks: [-1, -0.5, 0, 0.5, 1], xLabel: "t = μᵀz, cosine of the angle to μ", yLabel: "density of t",
    });
    chart.line(points.map((t, i) => [t, density[i]]), ui.color("accent"));
    chart.line([[law.mean, 0], [law.mean, 1.12 * most]], mark, 1.5, [5, 4]);
    chart.text("mean", ...chart.at(law.mean, 1.05 * most).map((v, i) => (i ? v : v + (law.mean > 0.7 ? -8 : 8))), law.mean > 0.7 ? "right" : "left", mark);
  }

  LadderLive.kind("sphere", (figure, stored, ui) => {
    const { element } = ui, view = { yaw: 0.6, pitch: 0.45 }, state = { m: 3, kappa: 20 };
    const draws = () => Float64Array.from({ length: DRAWS }, Math.random);
    let ranks = draws(), longitudes = draws();
    const globe = element("canvas", {
      class: "live-pad live-globe", width: SIZE, height: SIZE, tabindex: 0, role: "img", onkeydown: (event) => {
        const turn = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
        if (!turn) return;
        event.preventDefault();
        spin(0.12 * turn[0], 0.12 * turn[1]);
      },
    });
    const chart = element("canvas", { class: "live-chart", role: "img" });
    const values = { kappa: element("output", { class: "live-value" }), m: element("output", { class: "live-value" }) };
    const sliders = {
      kappa: ui.slider("κ", { min: 0, max: 88, step: 1, value: 40 }, (place) => { state.kappa = concentration(place); update(); }),
      m: ui.slider("m", { min: 0, max: DIMS.length - 1, step: 1, value: 1 }, (place) => { state.m = DIMS[place]; update(); }),
    };
    for (const name of ["kappa", "m"]) sliders[name].append(values[name]);
    const facts = element("p", { class: "live-facts", role: "status" });

    // Longitudes are shares of a turn; on the circle, m = 2, there are only the two sides of μ.
    const around = () => longitudes.map((share) => (state.m === 2 ? Math.PI * Math.round(share) : 2 * Math.PI * share));

    function drawGlobe() {
      drawSphere(globe, cosines(state.m, state.kappa, ranks), around(), view, ui);
      globe.setAttribute("aria-label", `${DRAWS} draws at their angle to μ, on a sphere that the arrow keys turn; κ = ${state.kappa.toPrecision(3)}, m = ${state.m}`);
    }

    function update() {
      const law = vonMisesFisher(state.m, state.kappa), kappa = state.kappa.toPrecision(3).replace(/\.0+$/, "");
      drawGlobe();
      drawDensity(chart, state.m, law, ui);
      values.kappa.textContent = kappa;
      values.m.textContent = state.m;
      sliders.kappa.input.setAttribute("aria-valuetext", `κ = ${kappa}`);
      sliders.m.input.setAttribute("aria-valuetext", `m = ${state.m}`);
      const number = (value, digits) => value.toFixed(digits).replace("-", "−");
      facts.textContent = `Mean cosine A = ${number(law.mean, 3)}. KL to the uniform distribution: ${number(law.kl, 2)} nats. Entropy: ${number(law.entropy, 2)} nats.`;
      chart.setAttribute("aria-label", `Density of the cosine. ${facts.textContent}`);
    }

    function spin(yaw, pitch) {
      view.yaw += yaw;
      view.pitch = Math.max(-1.5, Math.min(1.5, view.pitch + pitch));
      drawGlobe();
    }
    globe.addEventListener("pointerdown", (event) => globe.setPointerCapture(event.pointerId));
    globe.addEventListener("pointermove", (event) => { if (event.buttons) spin(0.01 * event.movementX, 0.01 * event.movementY); });

    const again = ui.button("Draw again", () => { ranks = draws(); longitudes = draws(); update(); });
    const panel = element("div", { class: "live-halves" },
      element("div", {}, globe, sliders.kappa, sliders.m, element("div", { class: "live-buttons" }, again)),
      element("div", {}, chart, facts));

    const look = "Now keep κ and raise m. Then find the κ that brings the mean cosine back to 0.95 at m = 200, and read what it costs in nats.";
    return {
      panel, update, view, covered: true,
      question: "At κ = 20 in three dimensions, draws have a mean cosine of 0.95 with μ. Keep κ = 20 and take 200 dimensions. What is the mean cosine?",
      choices: [
        ["About 0.95: κ says how concentrated the draws are", `No, it is 0.10: what κ means depends on m. ${look}`],
        ["About 0.5", `Lower still, 0.10: while κ is small beside m, the mean cosine is about κ / m. ${look}`],
        ["About 0.1: draws are nearly orthogonal to μ", `Yes: while κ is small beside m, the mean cosine is about κ / m. ${look}`],
      ],
      numbers: ({ m, kappa, ranks: given, t }) => {
        const law = vonMisesFisher(m, kappa);
        return { mean: law.mean, kl: law.kl, entropy: law.entropy, logDensity: t.map(law.logDensity), cosines: cosines(m, kappa, given) };
      },
    };
  });
})();
