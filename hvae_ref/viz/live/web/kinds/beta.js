// Raise β, the price of a nat of KL: one model for each price, its reconstructions, its draws, and the two terms of the bound.
LadderLive.kind("beta", (figure, stored, ui) => {
  const { element } = ui, nets = new LadderLive.Nets(stored), shown = 5, last = stored.curve.length - 1;
  const latent = nets.tensors["0.p_x_given_z1.net.0.weight"].columns, draw = () => ui.noise(latent);
  const state = { which: 0, first: 0, noise: Array.from({ length: shown }, draw), prior: Array.from({ length: shown }, draw) };

  // Logits of ink from z.
  const decode = (which, z) => nets.mlp(`${which}.p_x_given_z1.net`, z);

  // q(z|x) at the noise given: probabilities of ink, KL(q ‖ p) and log p(x|z) in nats.
  function reconstruct(which, x, noise) {
    const q = LadderLive.normalHead(nets.mlp(`${which}.q_z1_given_x.net`, x.map((ink) => 2 * ink - 1)));
    const z = q.loc.map((loc, i) => loc + q.scale[i] * noise[i]), logits = decode(which, z);
    return {
      z, image: logits.map(LadderLive.sigmoid),
      kl: q.loc.reduce((sum, loc, i) => sum + LadderLive.gaussianKl(loc, q.scale[i], 0, 1), 0),
      logProb: logits.reduce((sum, logit, i) => sum - LadderLive.softplus(x[i] ? -logit : logit), 0),
    };
  }

  const row = (label) => {
    const cells = Array.from({ length: shown }, (_, i) => element("div", { class: "live-captioned" }, ui.picture(`${label}, ${i + 1} of ${shown}`), element("div")));
    return { cells, box: element("div", {}, element("div", { class: "live-label" }, label), element("div", { class: "live-row" }, ...cells)) };
  };
  const rows = [row("test images x"), row("reconstructions from draws of q(z|x); KL in nats"), row("drawn from the prior p(z)")];
  const paint = (cell, image, words = "") => { ui.drawImage(cell.firstChild, image); cell.lastChild.textContent = words; };
  const chart = element("canvas", { class: "live-chart", role: "img" });
  const bars = ui.bars("nats");
  const slider = ui.slider("β", { min: 0, max: last, step: 1, value: 0 }, (value) => { state.which = value; update(); });
  const price = element("output", { class: "live-value" });
  slider.append(price);

  function drawCurve() {
    const [beta, kl, distortion] = stored.curve[state.which];
    const most = 1.1 * Math.max(...stored.curve.map((point) => point[1])), heights = stored.curve.map((point) => point[2]);
    const low = Math.floor(Math.min(...heights) / 5) * 5, high = Math.ceil(Math.max(...heights) / 5) * 5;
    const ticks = (from, to) => Array.from({ length: Math.floor((to - from) / 5) + 1 }, (_, i) => from + 5 * i);
    const plot = new LadderLive.Chart(chart, ui, {
      x: [0, most], y: [low, high], xTicks: ticks(0, most), yTicks: ticks(low, high), xLabel: "KL, nats an image", yLabel: "distortion, nats",
    });
    plot.line(stored.curve.map((point) => point.slice(1)), ui.color("muted"), 2);
    for (const point of stored.curve) plot.dot(point.slice(1), ui.color("muted"), 4);
    plot.dot([kl, distortion], ui.color("z2"), 7);
    chart.setAttribute("aria-label", `Distortion against KL for ${last + 1} values of β; at β = ${beta}: KL ${kl.toFixed(2)}, distortion ${distortion.toFixed(2)} nats`);
    bars.draw([["KL", kl, ui.color("z1")], ["distortion", distortion, ui.color("x")], ["−ELBO", kl + distortion, ui.color("muted")]], 1.05 * Math.max(...stored.curve.map((point) => point[1] + point[2])));
  }

  function update() {
    price.textContent = stored.curve[state.which][0];
    slider.input.value = state.which;
    slider.input.setAttribute("aria-valuetext", `β = ${price.textContent}`);
    for (let i = 0; i < shown; i++) {
      const x = stored.images[(state.first + i) % stored.images.length], again = reconstruct(state.which, x, state.noise[i]);
      paint(rows[0].cells[i], x);
      paint(rows[1].cells[i], again.image, again.kl.toFixed(1));
      paint(rows[2].cells[i], decode(state.which, state.prior[i]).map(LadderLive.sigmoid));
    }
    drawCurve();
  }

  const buttons = element("div", { class: "live-buttons" },
    ui.button("Draw z again", () => { for (const kind of ["noise", "prior"]) state[kind] = state[kind].map(draw); update(); }),
    ui.button("Other images", () => { state.first = (state.first + shown) % stored.images.length; update(); }));
  const panel = element("div", { class: "live-halves" },
    element("div", {}, slider, ...rows.map(({ box }) => box), buttons), element("div", {}, chart, bars));

  const look = "Now raise β step by step. Which strokes are given up first? Press “Draw z again” at β = 0.1 and at β = 6.";
  return {
    panel, update, covered: true,
    question: "β is the price of a nat of KL. Raise it until the KL is zero. What will the reconstructions of five different digits look like then?",
    choices: [
      ["Five blurred digits, still different", `No: at a KL of zero q(z|x) is the prior, and z says nothing about x. ${look}`],
      ["Five times the same picture", `Yes: z says nothing about x, so the decoder has learned to ignore it, and one mean picture is the best guess. ${look}`],
      ["Five clear digits, but other ones", `z is then a draw from the prior, but the decoder has learned that z says nothing, and ignores it. ${look}`],
    ],
    numbers: ({ which, x, noise }) => reconstruct(which, x, noise),
  };
});
