// Take z2 from one image and z1 from another: which level decides what is drawn, and how far is z1 from what z2 expects?
LadderLive.kind("swap", (figure, stored, ui) => {
  const { element } = ui, model = LadderLive.TopDown.of(stored), chosen = [3, 8], names = ["A", "B"];
  const images = stored.images.map((image) => image.map((value) => value / (stored.values - 1)));
  const latents = stored.images.map((image) => model.infer(image));
  const pickers = names.map((name, side) => ui.digits(`Image ${name}`, images, chosen[side], (digit) => {
    chosen[side] = digit;
    update();
  }));
  const cells = [0, 1].flatMap((above) => [0, 1].map((below) => {
    const picture = ui.picture(`Drawn with z2 of ${names[above]} and z1 of ${names[below]}`), words = element("span");
    return { above, below, picture, words, box: ui.captioned(picture, words) };
  }));

  // The image, and how far z1 lies from the mean of p(z1|z2): root mean square over its numbers, in units of σ.
  function drawn(above, below) {
    const state = model.descent("z2", latents[above].z2), p = model.prior(state), { z1 } = latents[below];
    const distance = Math.sqrt(z1.reduce((sum, v, i) => sum + ((v - p.loc[i]) / p.scale[i]) ** 2, 0) / z1.length);
    return { image: model.image(model.join(state, z1)), distance };
  }

  function update() {
    pickers.forEach((picker) => picker.draw());
    for (const { above, below, picture, words } of cells) {
      const { image, distance } = drawn(chosen[above], chosen[below]);
      ui.drawImage(picture, image);
      words.textContent = `z1 is ${distance.toFixed(1)} σ off`;
    }
  }

  const head = (text) => element("div", { class: "live-head" }, text);
  const table = element("div", { class: "live-swap" }, element("div"), head("z1 of A"), head("z1 of B"),
    head("z2 of A"), cells[0].box, cells[1].box, head("z2 of B"), cells[2].box, cells[3].box);
  const panel = element("div", { class: "live-halves" },
    element("div", {}, ...names.flatMap((name, side) => [head(`Image ${name}`), pickers[side]])), table);

  return {
    panel, update,
    question: "The model takes z2 from one image and z1 from another. Whose digit will it draw?",
    covered: true,
    choices: [
      ["That of z2", "Look at the two pictures where z2 and z1 come from different images. Then take z2 from the 4 or the 6 and z1 from the 7: is it still so?"],
      ["That of z1", "Look at the two pictures where z2 and z1 come from different images. What of the image that z1 came from can you still see?"],
    ],
    numbers: ({ above, below }) => drawn(above, below),
  };
});
