// Draw an image of 8 × 8 grey levels, and watch what each level costs and what is left without z1.
LadderLive.kind("draw", (figure, stored, ui) => {
  const { element } = ui, model = LadderLive.TopDown.of(stored), most = stored.values - 1, side = Math.sqrt(stored.images[0].length);
  const images = stored.images.map((image) => image.map((value) => value / most));
  const inks = [most, Math.round(most / 2), 0];
  let x = [...stored.images[3]], ink = 0, eps = ui.noise(model.sizes.z1), at = 0, painting = false;

  const cells = x.map((_, i) => element("button", {
    type: "button", class: "live-cell", tabindex: i ? -1 : 0,
    onclick: (event) => { if (!event.detail) paint(i); },  // by keyboard; the pointer paints below
    onfocus: () => { cells[at].tabIndex = -1; at = i; cells[at].tabIndex = 0; },
  }));
  const pad = element("div", { class: "live-cells", role: "group", "aria-label": "Drawing, 8 by 8; arrow keys move, space paints" }, ...cells);
  pad.style.gridTemplateColumns = `repeat(${side}, minmax(0, 1fr))`;

  function paint(i) {
    x[i] = inks[ink];
    update();
  }
  function paintAt(event) {
    const cell = document.elementFromPoint(event.clientX, event.clientY), i = cells.indexOf(cell);
    if (i >= 0 && x[i] !== inks[ink]) paint(i);
  }
  pad.addEventListener("pointerdown", (event) => {
    painting = true;
    if (event.target.hasPointerCapture?.(event.pointerId)) event.target.releasePointerCapture(event.pointerId);
    paintAt(event);
  });
  pad.addEventListener("pointermove", (event) => {
    if (painting && event.buttons) (event.getCoalescedEvents?.() ?? [event]).forEach(paintAt);
  });
  for (const end of ["pointerup", "pointercancel"]) self.addEventListener(end, () => { painting = false; });
  pad.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -side, ArrowDown: side }[event.key], next = at + step;
    if (!step) return;
    event.preventDefault();
    if (next >= 0 && next < cells.length) cells[next].focus();
  });

  const digits = ui.digits("Begin with a test image", images, 3, (digit) => { x = [...stored.images[digit]]; update(); });
  const brush = ui.choice("What a touch paints", ["ink", "half ink", "eraser"], ink, (i) => { ink = i; });
  const levels = ui.bars("nats"), pixels = ui.bars("nats");
  const both = ui.picture("Drawn from z2 and z1 of the image"), redrawn = ui.picture("Drawn from z2 of the image and z1 of the prior");
  const bothWords = element("span"), redrawnWords = element("span");

  function computed(noise) {
    const seen = model.infer(x), above = model.descent("z2", seen.z2), { loc, scale } = seen.p.z1;
    const state = model.join(above, loc.map((v, i) => v + scale[i] * noise[i]));
    return { kl: [seen.kl.z2, seen.kl.z1], logProb: seen.logProb, both: seen.image, redrawn: model.image(state), redrawnLogProb: model.logProb(state, x) };
  }

  function update() {
    digits.draw();
    cells.forEach((cell, i) => {
      const share = x[i] / most, grey = Math.round(255 * (ui.isDark() ? 0.1 + 0.88 * share : 1 - 0.95 * share));
      cell.style.backgroundColor = `rgb(${grey},${grey},${grey})`;
      cell.setAttribute("aria-label", `row ${Math.floor(i / side) + 1}, column ${(i % side) + 1}: ${x[i]} of ${most}`);
    });
    const { kl, logProb, ...images } = computed(eps), { means } = stored;
    levels.draw([
      ["KL of z2", kl[0], "var(--live-z2)", means.kl[0]],
      ["KL of z1", kl[1], "var(--live-z1)", means.kl[1]],
    ], Math.max(3 * means.kl[0], ...kl));
    pixels.draw([["−log p(x|z)", -logProb, "var(--live-x)", -means.logProb]], Math.max(-3 * means.logProb, -logProb));
    ui.drawImage(both, images.both);
    ui.drawImage(redrawn, images.redrawn);
    bothWords.textContent = `−log p(x|z) ${(-logProb).toFixed(0)}`;
    redrawnWords.textContent = `−log p(x|z) ${(-images.redrawnLogProb).toFixed(0)}`;
  }

  const clear = ui.button("Clear", () => { x = x.map(() => 0); update(); });
  const again = ui.button("Draw z1 again", () => { eps = ui.noise(model.sizes.z1); update(); });
  const panel = element("div", { class: "live-halves" },
    element("div", {}, pad, element("div", { class: "live-tools" }, brush, clear), digits),
    element("div", {}, levels, pixels,
      element("p", { class: "live-note" }, "Bars: this image. Marks: the mean over all test images. The pixels have a scale of their own."),
      element("div", { class: "live-pair" },
        ui.captioned(both, "both kept", element("br"), bothWords), ui.captioned(redrawn, "z2 kept, z1 drawn", element("br"), redrawnWords)),
      element("div", { class: "live-buttons" }, again)));

  return {
    panel, update,
    question: "You will change a 3 of the test data, stroke by stroke, into something that is no digit. What will the model pay more for?",
    covered: true,
    choices: [
      ["The levels: their KL", "Paint strokes where no digit has any. Which bars grow, and how far past the marks of the test images?"],
      ["The pixels: −log p(x|z)", "Paint strokes where no digit has any. Does the model still draw them with both levels kept? Which bars grow?"],
    ],
    numbers: (given) => {
      const kept = x;
      x = given.x;
      const found = computed(given.noise);
      x = kept;
      return found;
    },
  };
});
