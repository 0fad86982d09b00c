// From one image to another in three ways: z2 moves and z1 stays, z1 moves and z2 stays, or the grey levels are mixed.
LadderLive.kind("interpolate", (figure, stored, ui) => {
  const { element } = ui, model = LadderLive.TopDown.of(stored), chosen = [3, 8], steps = 7;
  const images = stored.images.map((image) => image.map((value) => value / (stored.values - 1)));
  const latents = stored.images.map((image) => model.infer(image));
  const mix = (a, b, t) => a.map((v, i) => (1 - t) * v + t * b[i]);
  const ways = {
    z2: (a, b, t) => model.decode(mix(latents[a].z2, latents[b].z2, t), latents[a].z1),
    z1: (a, b, t) => model.decode(latents[a].z2, mix(latents[a].z1, latents[b].z1, t)),
    pixels: (a, b, t) => mix(images[a], images[b], t),
  };
  const words = { z2: "z2 moves, z1 stays", z1: "z1 moves, z2 stays", pixels: "grey levels are mixed" };
  let t = 0.5;

  const pickers = ["From", "To"].map((name, side) => ui.digits(`${name} image`, images, chosen[side], (digit) => {
    chosen[side] = digit;
    update();
  }));
  const slider = ui.slider("from A to B", { min: 0, max: 1, step: 0.02, value: t }, (value) => { t = value; move(); });
  const rows = Object.keys(ways).map((way) => {
    const strip = Array.from({ length: steps }, () => element("canvas", { width: 48, height: 48, "aria-hidden": "true" }));
    const now = ui.picture(`${words[way]}: the image at the place of the slider`);
    const box = element("div", { class: "live-way" }, element("div", { class: "live-head" }, words[way]),
      element("div", { class: "live-strip" }, ...strip), now);
    return { way, strip, now, box };
  });

  function move() {
    for (const { way, now } of rows) ui.drawImage(now, ways[way](...chosen, t));
  }

  function update() {
    pickers.forEach((picker) => picker.draw());
    for (const { way, strip } of rows) {
      strip.forEach((canvas, k) => ui.drawImage(canvas, ways[way](...chosen, k / (steps - 1))));
    }
    move();
  }

  const head = (text) => element("div", { class: "live-head" }, text);
  const panel = element("div", {},
    element("div", { class: "live-halves" },
      element("div", {}, head("A"), pickers[0]), element("div", {}, head("B"), pickers[1])),
    slider, ...rows.map((row) => row.box));

  return {
    panel, update,
    question: "From a 3 to an 8 in three ways: by z2 alone, by z1 alone, or by mixing grey levels. Which way arrives at an 8?",
    covered: true,
    choices: [
      ["z2 alone", "Compare the right end of each row with image B, then the middle of each row. Which middle could be somebody's handwriting?"],
      ["z1 alone", "Compare the right end of each row with image B. What did z1 change on its way, and what did it leave to z2?"],
      ["Only the mixing", "Mixing arrives, by construction. Compare its middle with that of z2: which could be somebody's handwriting?"],
    ],
    numbers: ({ a, b, t }) => Object.fromEntries(Object.entries(ways).map(([way, draw]) => [way, draw(a, b, t)])),
  };
});
