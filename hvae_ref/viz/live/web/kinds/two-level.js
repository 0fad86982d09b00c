// Move z2 in the plane of its two principal directions, and draw z1 again: which level holds the digit?
LadderLive.kind("two-level", (figure, stored, ui) => {
  const { element } = ui, model = LadderLive.TopDown.of(stored), draws = 12, reach = 3.2;
  const start = stored.points.filter((point) => point[2] === 4);
  const at = [0, 1].map((axis) => start.reduce((sum, point) => sum + point[axis], 0) / start.length);
  let eps = Array.from({ length: draws }, () => ui.noise(model.sizes.z1));
  const pad = element("canvas", { class: "live-pad", width: 440, height: 440, "aria-hidden": "true" });
  const images = Array.from({ length: draws }, () => element("canvas", { width: 96, height: 96 }));
  const grid = element("div", { class: "live-grid", role: "img", "aria-label": "Twelve images drawn at this z2" }, ...images);
  const scale = pad.width / (2 * reach), clip = (v) => Math.max(-3, Math.min(3, v));
  const palette = ["#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#bb7733", "#777777", "#8a6fd1", "#44aa99"];
  const sliders = ["z2, across", "z2, up"].map((label, axis) =>
    ui.slider(label, { min: -3, max: 3, step: 0.05, value: 0 }, (value) => { at[axis] = value; update(); }));

  function z2() {
    return Float64Array.from(stored.center, (c, i) => c + at[0] * stored.axes[0][i] + at[1] * stored.axes[1][i]);
  }

  function drawPad() {
    const context = pad.getContext("2d");
    context.clearRect(0, 0, pad.width, pad.height);
    context.font = "600 17px system-ui, sans-serif";
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.globalAlpha = 0.75;
    for (const [a, b, digit] of stored.points) {
      context.fillStyle = palette[digit];
      context.fillText(digit, (a + reach) * scale, (reach - b) * scale);
    }
    context.globalAlpha = 1;
    context.strokeStyle = ui.color("ink");
    context.lineWidth = 4;
    context.beginPath();
    context.arc((at[0] + reach) * scale, (reach - at[1]) * scale, 13, 0, 7);
    context.stroke();
  }

  function update() {
    const above = model.descent("z2", z2()), p = model.prior(above);
    eps.forEach((e, n) => {
      ui.drawImage(images[n], model.image(model.join(above, p.loc.map((v, i) => v + p.scale[i] * e[i]))));
    });
    sliders.forEach((slider, axis) => { slider.input.value = at[axis]; });
    drawPad();
  }

  function move(event) {
    const box = pad.getBoundingClientRect();
    at[0] = clip(((event.clientX - box.left) / box.width) * 2 * reach - reach);
    at[1] = clip(reach - ((event.clientY - box.top) / box.height) * 2 * reach);
    update();
  }
  pad.addEventListener("pointerdown", (event) => { pad.setPointerCapture(event.pointerId); move(event); });
  pad.addEventListener("pointermove", (event) => { if (event.buttons) move(event); });

  const buttons = element("div", { class: "live-buttons" },
    ui.button("Draw z1 again", () => { eps = eps.map((e) => ui.noise(e.length)); update(); }),
    ui.button("Draw z2 again", () => { at.forEach((_, axis) => { at[axis] = clip(ui.normal()); }); update(); }));
  const panel = element("div", { class: "live-halves" },
    element("div", {}, pad, ...sliders), element("div", {}, grid, buttons));

  return {
    panel, update,
    question: "Twelve images share one z2, and each has a z1 of its own. What will they share?",
    choices: [
      ["The digit", "Now look: move into a cloud of one digit, then between two clouds. Where do the twelve agree on a digit?"],
      ["The stroke", "Now look: move into a cloud of one digit, and draw z1 again. What changes, and what stays?"],
    ],
    numbers: ({ z2, noise, x }) => {
      const drawn = model.draw(z2, noise.z1), seen = model.infer(x, noise);
      return { image: drawn.image, kl: [seen.kl.z2, seen.kl.z1], logProb: seen.logProb, z2: seen.z2, z1: seen.z1 };
    },
  };
});
