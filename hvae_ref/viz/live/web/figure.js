// Live figures: upgrades each <figure class="live">; what PyTorch drew stays where the figure cannot be moved.
// On the site this file looks for figures and loads what they need; in a notebook all scripts stand in the output.
(() => {
  if (self.LadderLive) return;
  const kinds = {}, loading = {};

  const uniform = () => 1 - Math.random();
  const normal = () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
  const noise = (n) => Float64Array.from({ length: n }, normal);

  function filled(made, attributes, children) {
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
      else if (value !== undefined && value !== null) made.setAttribute(name, value);
    }
    made.append(...children);
    return made;
  }
  const element = (tag, attributes = {}, ...children) => filled(document.createElement(tag), attributes, children);
  const svg = (tag, attributes = {}, ...children) =>
    filled(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

  // Dark is where the text around the figure is light: the same question on the site, in Jupyter and in Colab.
  function isDark(figure) {
    const [r, g, b] = getComputedStyle(figure.parentElement).color.match(/[\d.]+/g).map(Number);
    return 0.299 * r + 0.587 * g + 0.114 * b > 140;
  }

  let radios = 0;

  // What a kind is given to build with; everything that depends on the figure is bound to it.
  function helpers(figure) {
    const ui = { element, svg, normal, noise, isDark: () => isDark(figure) };

    ui.color = (name) => getComputedStyle(figure).getPropertyValue(`--live-${name}`).trim();

    // Grey levels 0 … 1, ink on paper: dark on light, or light on dark. A number out of 0 … 1 is drawn as the nearest.
    ui.drawImage = (canvas, image) => {
      const side = Math.round(Math.sqrt(image.length)), cell = canvas.width / side, dark = isDark(figure);
      const context = canvas.getContext("2d");
      image.forEach((number, i) => {
        const value = Math.max(0, Math.min(1, number));
        const grey = Math.round(255 * (dark ? 0.1 + 0.88 * value : 1 - 0.95 * value));
        context.fillStyle = `rgb(${grey},${grey},${grey})`;
        context.fillRect((i % side) * cell, Math.floor(i / side) * cell, cell + 0.5, cell + 0.5);
      });
    };

    ui.picture = (label) => element("canvas", { class: "live-picture", width: 96, height: 96, role: "img", "aria-label": label });

    ui.captioned = (picture, ...words) => element("div", { class: "live-captioned" }, picture, element("div", {}, ...words));

    ui.button = (label, act) => element("button", { type: "button", onclick: act }, label);

    ui.slider = (label, { min, max, step, value }, act) => {
      const input = element("input", { type: "range", min, max, step, value, oninput: () => act(Number(input.value)) });
      const words = element("span", {}, label);
      return Object.assign(element("label", { class: "live-slider" }, words, input), { input, words });
    };

    // One of several, by mouse, touch or arrow keys. Options are texts or elements; `names` says them in words.
    ui.choice = (label, options, chosen, act, names = options) => {
      const name = `live-choice-${radios++}`;
      const box = element("div", { class: "live-choice", role: "radiogroup", "aria-label": label });
      options.forEach((option, i) => {
        const input = element("input", { type: "radio", name, value: i, "aria-label": names[i], onchange: () => act(i) });
        input.checked = i === chosen;
        box.append(element("label", {}, input, element("span", {}, option)));
      });
      box.pick = (i) => { box.querySelectorAll("input")[i].checked = true; };
      return box;
    };

    // Ten images (numbers 0 … 1), one of which is chosen.
    ui.digits = (label, images, chosen, act) => {
      const canvases = images.map(() => element("canvas", { width: 40, height: 40, "aria-hidden": "true" }));
      const box = ui.choice(label, canvases, chosen, act, images.map((_, digit) => `test image, a ${digit}`));
      box.classList.add("live-digits");
      box.draw = () => canvases.forEach((canvas, i) => ui.drawImage(canvas, images[i]));
      return box;
    };

    // Bars with their numbers: draw([[label, number, colour, mark], …], most), on one scale 0 … most; a mark is a stroke.
    ui.bars = (unit) => {
      const box = element("div", { class: "live-bars" }), share = (number, most) => `${Math.max(0, Math.min(100, (100 * number) / most))}%`;
      box.draw = (rows, most) => box.replaceChildren(...rows.map(([label, number, color, mark]) => element("div", { class: "live-bar" },
        element("span", {}, label),
        element("span", { class: "live-track" },
          element("span", { class: "live-fill", style: `width:${share(number, most)};background:${color}` }),
          ...(mark === undefined ? [] : [element("span", { class: "live-mark", style: `left:${share(mark, most)}` })])),
        element("span", { class: "live-number" }, `${number.toFixed(1).replace("-", "−")} ${unit}`))));
      return box;
    };

    return ui;
  }

  // Choose what you expect before you see it; then the figure opens and says what to look at.
  function ask(figure, handle, open) {
    const said = element("p", { class: "live-said", role: "status" });
    const box = element("div", { class: "live-question" }, element("p", {}, handle.question));
    for (const [label, answer] of handle.choices) {
      box.append(element("button", { type: "button", onclick: () => {
        said.textContent = answer;
        box.replaceWith(said);
        open();
      } }, label));
    }
    figure.insertBefore(box, handle.panel);
  }

  function storedIn(figure) {
    const held = figure.querySelector("script.live-stored");
    return held ? JSON.parse(held.textContent) : (self.LadderModels ?? {})[figure.dataset.model];
  }

  function upgrade(figure, started = performance.now()) {
    const stored = storedIn(figure), build = kinds[figure.dataset.live], { weights } = figure.dataset;
    if (!stored || !build || figure.live) return;
    if (weights && stored.weights !== weights) {
      console.warn(`live figure ${figure.dataset.live}: stored weights ${stored.weights}, the picture's are ${weights}`);
      return;
    }
    const handle = build(figure, stored, helpers(figure)), { panel, update } = handle;
    const look = () => figure.classList.toggle("live-dark", isDark(figure));
    panel.classList.add("live-panel");
    panel.hidden = true;
    figure.insertBefore(panel, figure.querySelector("figcaption"));
    const stills = figure.querySelectorAll(".live-still");
    // Where the picture would give the answer away, it is blurred until the reader has chosen.
    if (handle.covered) for (const still of stills) still.classList.add("live-covered");
    ask(figure, handle, () => {
      for (const still of stills) still.hidden = true;
      panel.hidden = false;
      look();
      update();
    });
    const changed = new MutationObserver(() => { look(); if (!panel.hidden) update(); });
    const watched = ["class", "data-theme", "theme", "data-jp-theme-light"];
    for (const place of [document.documentElement, document.body]) changed.observe(place, { attributes: true, attributeFilter: watched });
    look();
    const open = () => figure.querySelector(".live-question button")?.click();
    figure.live = { ...handle, open, ready: performance.now() - started };
  }

  function load(source) {
    loading[source] ??= new Promise((done, failed) =>
      document.head.append(element("script", { src: source, onload: done, onerror: () => failed(new Error(`no ${source}`)) })));
    return loading[source];
  }

  function find(base) {
    const seen = new IntersectionObserver((entries) => entries.filter((entry) => entry.isIntersecting).forEach(({ target }) => {
      const started = performance.now(), { model, needs, live } = target.dataset;
      seen.unobserve(target);
      const names = ["arithmetic", ...(needs ?? "").split(" ").filter(Boolean), `kinds/${live}`, ...(model ? [model] : [])];
      names.reduce((before, name) => before.then(() => load(`${base}${name}.js`)), Promise.resolve())
        .then(() => upgrade(target, started));
    }), { rootMargin: "400px" });
    document.querySelectorAll("figure.live").forEach((figure) => seen.observe(figure));
  }

  self.LadderLive = { kind: (name, build) => { kinds[name] = build; }, upgrade };
  const source = document.currentScript?.src;
  if (source) find(source.replace(/[^/]*$/, ""));
})();
