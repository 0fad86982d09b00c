// Live figures: upgrades every <figure class="live"> whose model is there; what PyTorch drew stays where it is not.
(() => {
  const normal = (() => {
    const uniform = () => 1 - Math.random();
    return () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
  })();
  const noise = (n) => Float64Array.from({ length: n }, normal);

  function element(tag, attributes = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
      else made.setAttribute(name, value);
    }
    made.append(...children);
    return made;
  }

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  function drawImage(canvas, image, side = 8) {
    const context = canvas.getContext("2d"), cell = canvas.width / side;
    const dark = document.documentElement.dataset.theme === "dark";
    image.forEach((value, i) => {
      const grey = Math.round(255 * (dark ? 0.1 + 0.88 * value : 1 - 0.95 * value));
      context.fillStyle = `rgb(${grey},${grey},${grey})`;
      context.fillRect((i % side) * cell, Math.floor(i / side) * cell, cell + 0.5, cell + 0.5);
    });
  }

  // Choose what you expect before you see it; then the figure opens and says what came of it.
  function predict(figure, question, choices, open) {
    const said = element("p", { class: "live-said", role: "status" });
    const box = element("div", { class: "live-question" }, element("p", {}, question));
    for (const [label, answer] of choices) {
      box.append(element("button", { type: "button", onclick: () => {
        said.textContent = answer;
        box.replaceWith(said);
        open();
      } }, label));
    }
    figure.insertBefore(box, figure.querySelector("figcaption"));
  }

  function twoLevel(figure, model, stored) {
    const draws = 12, start = stored.points.filter((point) => point[2] === 4);
    const at = [0, 1].map((axis) => start.reduce((sum, point) => sum + point[axis], 0) / start.length);
    let eps = Array.from({ length: draws }, () => noise(model.sizes.z1));
    const panel = element("div", { class: "live-panel", hidden: "" });
    const pad = element("canvas", { class: "live-pad", width: 440, height: 440, "aria-hidden": "true" });
    const images = Array.from({ length: draws }, () => element("canvas", { width: 96, height: 96 }));
    const grid = element("div", { class: "live-grid", role: "img", "aria-label": "Twelve images drawn at this z2" }, ...images);
    const sliders = [0, 1].map((axis) => element("input", {
      type: "range", min: -3, max: 3, step: 0.05, value: 0, "aria-label": `z2, ${["first", "second"][axis]} direction`,
      oninput: (event) => { at[axis] = Number(event.target.value); update(); },
    }));
    const reach = 3.2, scale = pad.width / (2 * reach);
    const palette = ["#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#bb7733", "#777777", "#8a6fd1", "#44aa99"];

    function z2() {
      return Float64Array.from(stored.center, (c, i) => c + at[0] * stored.axes[0][i] + at[1] * stored.axes[1][i]);
    }

    function drawPad() {
      const context = pad.getContext("2d");
      context.clearRect(0, 0, pad.width, pad.height);
      context.font = "600 17px system-ui, sans-serif";
      context.textAlign = "center";
      context.textBaseline = "middle";
      for (const [a, b, digit] of stored.points) {
        context.fillStyle = palette[digit];
        context.globalAlpha = 0.75;
        context.fillText(digit, (a + reach) * scale, (reach - b) * scale);
      }
      context.globalAlpha = 1;
      context.strokeStyle = colour("--pst-color-text-base");
      context.lineWidth = 4;
      context.beginPath();
      context.arc((at[0] + reach) * scale, (reach - at[1]) * scale, 13, 0, 7);
      context.stroke();
    }

    function update() {
      const place = z2(), above = model.descent("z2", place), p = model.prior(above);
      eps.forEach((e, n) => {
        const z1 = p.loc.map((v, i) => v + p.scale[i] * e[i]);
        drawImage(images[n], model.image(model.join(above, z1)));
      });
      sliders.forEach((slider, axis) => { slider.value = at[axis]; });
      drawPad();
    }

    function move(event) {
      const box = pad.getBoundingClientRect(), clip = (v) => Math.max(-3, Math.min(3, v));
      at[0] = clip(((event.clientX - box.left) / box.width) * 2 * reach - reach);
      at[1] = clip(reach - ((event.clientY - box.top) / box.height) * 2 * reach);
      update();
    }
    pad.addEventListener("pointerdown", (event) => { pad.setPointerCapture(event.pointerId); move(event); });
    pad.addEventListener("pointermove", (event) => { if (event.buttons) move(event); });

    const again = element("button", { type: "button", onclick: () => {
      eps = eps.map((e) => noise(e.length));
      update();
    } }, "Draw z1 again");
    const elsewhere = element("button", { type: "button", onclick: () => {
      at[0] = Math.max(-3, Math.min(3, normal()));
      at[1] = Math.max(-3, Math.min(3, normal()));
      update();
    } }, "Draw z2 again");
    panel.append(
      element("div", { class: "live-left" }, pad, element("label", {}, "z2, across", sliders[0]), element("label", {}, "z2, up", sliders[1])),
      element("div", { class: "live-right" }, grid, element("div", { class: "live-buttons" }, again, elsewhere)),
    );
    figure.insertBefore(panel, figure.querySelector("figcaption"));
    predict(figure, "Twelve images share one z2, and each has a z1 of its own. What will they share?", [
      ["The digit", "Now look: move into a cloud of one digit, then between two clouds. Where do the twelve agree on a digit?"],
      ["The stroke", "Now look: move into a cloud of one digit, and draw z1 again. What changes, and what stays?"],
    ], () => {
      for (const still of figure.querySelectorAll(".live-still")) still.hidden = true;
      panel.hidden = false;
      update();
    });
    new MutationObserver(() => { if (!panel.hidden) update(); })
      .observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
    figure.live = { model, at, update, z2, open: () => figure.querySelector(".live-question button")?.click() };
  }

  const KINDS = { "two-level": twoLevel };

  function upgrade(figure) {
    const stored = (self.LadderModels ?? {})[figure.dataset.model], kind = KINDS[figure.dataset.live];
    if (stored && kind) kind(figure, new self.LadderModel(stored), stored);
  }

  function load(source) {
    return new Promise((done, failed) => document.head.append(element("script", { src: source, onload: done, onerror: failed })));
  }

  const base = document.currentScript.src.replace(/[^/]*$/, "");
  const seen = new IntersectionObserver((entries) => entries.filter((entry) => entry.isIntersecting).forEach((entry) => {
    seen.unobserve(entry.target);
    load(`${base}model.js`).then(() => load(`${base}${entry.target.dataset.model}.js`)).then(() => upgrade(entry.target));
  }), { rootMargin: "400px" });
  document.querySelectorAll("figure.live").forEach((figure) => seen.observe(figure));
})();
