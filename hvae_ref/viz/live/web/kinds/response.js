// Two brainstem responses exchange their global and local latents, and the level of the click moves.
LadderLive.kind("response", (figure, stored, ui) => {
  const { element } = ui, nets = new LadderLive.Nets(stored), { statics, waves, pair, interval, units } = stored;
  const level = statics.names.indexOf("level"), names = ["A", "B"];
  const state = { z_global: 0, z_local: 0, condition: 0, dB: pair[0].condition[level] };

  // The condition as nets see it: each range on −1 … 1, counts by their logarithms.
  const scaled = (raw) => raw.map((value, i) => {
    const [low, high, v] = [statics.low[i], statics.high[i], value].map(statics.counts[i] ? Math.log : Number);
    return (2 * (v - low)) / (high - low) - 1;
  });

  // ẑ = m(c) + s(c) ⊙ z (eq. 6.3).
  function hat(name, z, c) {
    const { loc, scale } = LadderLive.normalHead(nets.mlp(`expected.${name}.net`, c));
    return z.map((v, i) => loc[i] + scale[i] * v);
  }

  // Mean response in µV, and for each wave its latency in ms and the logit of its being there.
  function decode({ z_global, z_local, condition }) {
    const c = scaled(condition), modulator = hat("z_global", z_global, c);
    let h = [...hat("z_local", z_local, c), ...c];
    for (let layer = 0; nets.tensors[`trunk.layers.${layer}.weight`]; layer++) {
      h = Array.from(nets.linear(`trunk.layers.${layer}`, h));
      const film = nets.linear(`trunk.film.${layer}.gamma_beta`, modulator), count = h.length;
      h = h.map((v, i) => LadderLive.silu((1 + film[i]) * v + film[count + i]));
    }
    const drive = nets.linear("p_x_given_features.out", h).map((v) => units.drive * v), x = new Float64Array(drive.length);
    const { coefficients } = nets.tensors, lags = stored.lags, last = coefficients.length / lags - 1;
    for (let t = 0; t < x.length; t++) {
      x[t] = drive[t];
      for (let k = 1; k <= Math.min(lags, t); k++) x[t] += coefficients[Math.min(t, last) * lags + k - 1] * x[t - k];
    }
    const said = nets.mlp("peak_head.net", h), count = waves.length;
    return {
      x, present: said.slice(2 * count),
      latency: said.slice(0, count).map((v, i) => units.start[i] + units.latency * v),
    };
  }

  const chart = element("canvas", { class: "live-chart", role: "img" });
  const ledger = element("table", { class: "live-ledger" }), moved = element("p", { class: "live-facts", role: "status" });
  const choices = { z_global: "global latent of", z_local: "local latent of", condition: "condition of" };
  const boxes = Object.entries(choices).map(([part, label]) => {
    const box = ui.choice(label, names, 0, (i) => {
      state[part] = i;
      if (part === "condition") state.dB = pair[i].condition[level];
      update();
    });
    return element("div", { class: "live-choose" }, element("span", {}, label), box);
  });
  const value = element("output", { class: "live-value" });
  const slider = ui.slider("level of the click", { min: 20, max: 90, step: 1, value: state.dB }, (dB) => { state.dB = dB; update(); });
  slider.append(value);

  const whole = pair.map((one) => decode(one));
  const current = () => ({
    z_global: pair[state.z_global].z_global, z_local: pair[state.z_local].z_local,
    condition: pair[state.condition].condition.map((v, i) => (i === level ? state.dB : v)),
  });
  const rms = (a, b) => Math.sqrt(a.reduce((sum, v, i) => sum + (v - b[i]) ** 2, 0) / a.length);
  const seen = (logit) => logit > 0;

  function drawCurves(now) {
    const all = [...whole, now].flatMap(({ x }) => Array.from(x)), top = Math.max(0.4, ...all) + 0.06, bottom = Math.min(-0.2, ...all) - 0.02;
    const plot = new LadderLive.Chart(chart, ui, {
      x: [0, 10], y: [bottom, top], xTicks: [0, 2, 4, 6, 8, 10], yTicks: [-0.4, -0.2, 0, 0.2, 0.4, 0.6].filter((v) => v > bottom && v < top),
      xLabel: "ms after the click", yLabel: "µV", share: 0.42,
    });
    const curve = (x) => Array.from(x, (v, t) => [t * interval, v]);
    plot.line(curve(whole[0].x), ui.color("z1"), 1.5, [2, 3]);
    plot.line(curve(whole[1].x), ui.color("z2"), 1.5, [7, 4]);
    plot.line(curve(now.x), ui.color("ink"), 2.5);
    waves.forEach((wave, i) => {
      if (!seen(now.present[i])) return;
      const [x, y] = plot.at(now.latency[i], now.x[Math.round(now.latency[i] / interval)]);
      plot.font("600");
      plot.text(wave, x, y - 14, "center");
      plot.path([[x, y - 6], [x, y - 1]], ui.color("ink"), 1.5);
    });
    plot.font();
    plot.text("A · · ·", plot.box.right - 84, plot.box.top + 14, "left", ui.color("z1"));
    plot.text("B – –", plot.box.right - 34, plot.box.top + 14, "left", ui.color("z2"));
  }

  function update() {
    const now = decode(current()), three = [whole[0], whole[1], now];
    drawCurves(now);
    value.textContent = `${Math.round(state.dB)} dB`;
    slider.input.value = state.dB;
    ledger.replaceChildren(element("tr", {}, ...["latency, ms", "A", "B", "thick"].map((text) => element("th", {}, text))),
      ...waves.map((wave, i) => element("tr", {}, element("th", {}, `wave ${wave}`),
        ...three.map(({ latency, present }) => element("td", {}, seen(present[i]) ? latency[i].toFixed(2) : "–")))));
    const far = [0, 1].map((i) => 1000 * rms(now.x, whole[i].x));
    moved.textContent = `The thick curve lies ${far[0].toFixed(0)} nV from A's and ${far[1].toFixed(0)} nV from B's (root mean square).`;
    chart.setAttribute("aria-label", `Response in µV over 10 ms. ${moved.textContent} Waves seen: ${waves.filter((_, i) => seen(now.present[i])).join(", ") || "none"}.`);
  }

  const back = ui.button("Back to A", () => {
    Object.assign(state, { z_global: 0, z_local: 0, condition: 0, dB: pair[0].condition[level] });
    boxes.forEach((box) => box.querySelector(".live-choice").pick(0));
    update();
  });
  const panel = element("div", {}, chart, element("div", { class: "live-halves" },
    element("div", {}, ...boxes, slider, element("div", { class: "live-buttons" }, back)), element("div", {}, ledger, moved)));

  const look = "Now exchange one part at a time. Then go back to A and lower the level: which wave goes last, and which way does it move?";
  return {
    panel, update, covered: true,
    question: "A has early waves, B late ones. Keep all of A, but take the local latent from B. (The encoder of the local latent is given the early part of the response once more.) How far does A's curve move towards B's?",
    choices: [
      ["The early waves move to B's places", `Hardly at all for this pair: that its encoder gets the early part once more does not make it hold the delay. ${look}`],
      ["About half of the way", `Hardly at all for this pair: it was chosen by its delay, and most of the delay goes with the global latent. ${look}`],
      ["Hardly at all", `So it is for this pair: it was chosen by its delay, and most of the delay goes with the global latent. ${look}`],
    ],
    numbers: decode,
  };
});
