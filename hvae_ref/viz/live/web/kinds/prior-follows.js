// x stays and z2 moves. The prior of z1 moves with z2; a relative posterior follows it, an absolute one stays where it was.
LadderLive.kind("prior-follows", (figure, stored, ui) => {
  const { element, svg } = ui, model = LadderLive.TopDown.of(stored), { gaussianKl } = LadderLive;
  const images = stored.images.map((image) => image.map((value) => value / (stored.values - 1)));
  const latents = stored.images.map((image) => model.infer(image)), sides = stored.images.map((image) => model.sidePath(image));
  const width = 340, height = 150, foot = 24;
  let chosen = [3, 5], t = 0, dimension = 0;

  // Prior, relative posterior and the one that stayed, at a place on the way of z2; divergences number by number.
  function at(from, to, t) {
    const z2 = latents[from].z2.map((v, i) => (1 - t) * v + t * latents[to].z2[i]), prior = model.prior(model.descent("z2", z2));
    const relative = model.posterior("z1", prior, sides[from].z1), absolute = latents[from].q.z1;
    const kl = (q) => q.loc.map((v, i) => gaussianKl(v, q.scale[i], prior.loc[i], prior.scale[i]));
    return { z2, prior, relative, absolute, relativeKl: kl(relative), absoluteKl: kl(absolute) };
  }

  // The number of z1 whose prior goes farthest, in units of its σ.
  function farthest() {
    const a = at(...chosen, 0).prior, b = at(...chosen, 1).prior;
    const moved = Array.from(a.loc, (v, i) => Math.abs(v - b.loc[i]) / a.scale[i]);
    return moved.indexOf(Math.max(...moved));
  }

  const pickers = ["x, which stays", "where z2 goes"].map((name, side) => ui.digits(name, images, chosen[side], (digit) => {
    chosen[side] = digit;
    setDimension(farthest());
    update();
  }));
  const way = ui.slider("z2 moves", { min: 0, max: 1, step: 0.02, value: t }, (value) => { t = value; update(); });
  const which = ui.slider("number of z1", { min: 1, max: model.sizes.z1, step: 1, value: 1 }, (value) => { dimension = value - 1; update(); });
  const setDimension = (i) => { dimension = i; which.input.value = i + 1; };
  const now = ui.picture("Drawn from z2 as it is now");
  const plots = [["relative", "Relative: follows its prior"], ["absolute", "Fixed: keeps its mean and σ"]].map(([name, title]) => {
    const drawing = svg("svg", { viewBox: `0 0 ${width} ${height}`, class: "live-plot", role: "img", "aria-label": title });
    const words = element("p", { class: "live-note" });
    return { name, drawing, words, box: element("div", {}, element("div", { class: "live-head" }, title), drawing, words) };
  });

  function range() {
    const all = [0, 0.5, 1].flatMap((t) => { const { prior, relative, absolute } = at(...chosen, t); return [prior, relative, absolute]; });
    const ends = (sign) => all.map(({ loc, scale }) => loc[dimension] + sign * 3.2 * scale[dimension]);
    const least = Math.min(...ends(-1)), most = Math.max(...ends(1));
    const tallest = Math.max(...all.map(({ scale }) => 1 / scale[dimension]));
    return { least, most, tallest };
  }

  function curve({ loc, scale }, { least, most, tallest }, attributes) {
    const points = Array.from({ length: 161 }, (_, k) => {
      const value = least + ((most - least) * k) / 160, density = Math.exp(-0.5 * ((value - loc[dimension]) / scale[dimension]) ** 2) / scale[dimension];
      return `${((width * k) / 160).toFixed(1)},${((height - foot) * (1 - (0.94 * density) / tallest)).toFixed(1)}`;
    });
    return svg("polyline", { points: points.join(" "), fill: "none", "stroke-width": 2.5, ...attributes });
  }

  function axis({ least, most }) {
    const step = 10 ** Math.floor(Math.log10(most - least)), parts = [svg("line", { x1: 0, x2: width, y1: height - foot, y2: height - foot, stroke: "var(--live-muted)" })];
    const unit = (most - least) / step > 5 ? 2 * step : (most - least) / step > 2 ? step : step / 2;
    for (let value = Math.ceil(least / unit) * unit; value <= most; value += unit) {
      const x = (width * (value - least)) / (most - least);
      if (x < 12 || x > width - 12) continue;
      parts.push(svg("line", { x1: x, x2: x, y1: height - foot, y2: height - foot + 4, stroke: "var(--live-muted)" }),
        svg("text", { x, y: height - 6, "text-anchor": "middle", fill: "var(--live-muted)", "font-size": 13 }, (Math.round(value / unit) * unit).toFixed(unit < 1 ? 1 : 0).replace("-", "−")));
    }
    return parts;
  }

  function update() {
    const found = at(...chosen, t), frame = range();
    pickers.forEach((picker) => picker.draw());
    which.words.textContent = `number ${dimension + 1} of z1`;
    ui.drawImage(now, model.draw(found.z2, model.zeros("z1")).image);
    for (const { name, drawing, words } of plots) {
      const kl = found[`${name}Kl`], total = kl.reduce((a, b) => a + b, 0);
      drawing.replaceChildren(...axis(frame), curve(found[name], frame, { stroke: name === "relative" ? "var(--live-z1)" : "var(--live-other)" }),
        curve(found.prior, frame, { stroke: "var(--live-ink)", "stroke-width": 1.8, "stroke-dasharray": "6 4" }));
      words.textContent = `KL of this number ${kl[dimension].toFixed(2)}, of all ${total.toFixed(1)} nats`;
    }
  }

  setDimension(farthest());
  const head = (text) => element("div", { class: "live-head" }, text);
  const panel = element("div", {},
    element("div", { class: "live-halves" }, element("div", {}, head("x, which stays"), pickers[0]), element("div", {}, head("where z2 goes"), pickers[1])),
    element("div", { class: "live-drawn" }, element("div", {}, way, which), ui.captioned(now, "z2 draws")),
    element("div", { class: "live-halves" }, ...plots.map((plot) => plot.box)),
    element("p", { class: "live-note" }, "Dashed: the prior p(z1|z2). Solid: the posterior of x."));

  return {
    panel, update,
    question: "x stays, and z2 moves to that of another digit. The prior of z1 moves with z2. One posterior of z1 is relative to its prior; the other is fixed, it keeps the mean and σ that it had. Which KL grows?",
    covered: true,
    choices: ["The relative one", "The fixed one", "Both"].map((label) => [label,
      "Move z2: which of the two KLs grows, and which hardly changes? Then choose other numbers of z1. Does the prior move for those that cost something?"]),
    numbers: ({ from, to, t }) => {
      const { prior, relative, relativeKl, absoluteKl } = at(from, to, t);
      return { priorLoc: prior.loc, priorScale: prior.scale, loc: relative.loc, scale: relative.scale, relativeKl, absoluteKl };
    },
  };
});
