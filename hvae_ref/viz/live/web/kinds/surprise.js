// Move a foreign patch over a texture: the first layers of an image classifier, and what a density makes of their features.
(() => {
  const LOG_TAU = Math.log(2 * Math.PI);

  // Four inner products at once, each with a row of the weights: every input is read once for all of them.
  function fourOutputs(made, at, values, from, weight, row, inputs) {
    let a = 0, b = 0, c = 0, d = 0;
    const second = row + inputs, third = second + inputs, fourth = third + inputs;
    for (let i = 0; i < inputs; i++) {
      const value = values[from + i];
      a += value * weight[row + i];
      b += value * weight[second + i];
      c += value * weight[third + i];
      d += value * weight[fourth + i];
    }
    made[at] += a;
    made[at + 1] += b;
    made[at + 2] += c;
    made[at + 3] += d;
  }

  // One convolution with its batch norm folded in; maps lie position by position, channels innermost. Padding is TensorFlow's.
  // A map holds the box [top, bottom, left, right] of what differs from a map that is known; the rest is copied from that.
  function convolved({ values, side, box }, { kind, inputs, outputs, kernel, stride, relu }, weight, bias, known) {
    const out = Math.ceil(side / stride), made = known ? known.slice() : new Float64Array(out * out * outputs);
    const before = Math.floor(Math.max(0, (out - 1) * stride + kernel - side) / 2);
    const [top, bottom, left, right] = known ? box.map((edge, i) => (i % 2
      ? Math.min(out, Math.floor((edge - 1 + before) / stride) + 1)
      : Math.max(0, Math.ceil((edge + before - kernel + 1) / stride)))) : [0, out, 0, out];
    for (let y = top; y < bottom; y++) {
      for (let x = left; x < right; x++) {
        const at = (y * out + x) * outputs;
        for (let o = 0; o < outputs; o++) made[at + o] = bias[o];
        for (let ky = 0; ky < kernel; ky++) {
          const row = y * stride + ky - before;
          if (row < 0 || row >= side) continue;
          for (let kx = 0; kx < kernel; kx++) {
            const column = x * stride + kx - before;
            if (column < 0 || column >= side) continue;
            const from = (row * side + column) * inputs, part = (ky * kernel + kx) * outputs * (kind === "full" ? inputs : 1);
            if (kind === "depthwise") {
              for (let o = 0; o < outputs; o++) made[at + o] += values[from + o] * weight[part + o];
            } else if (kind === "grey") {
              const value = values[from];
              for (let o = 0; o < outputs; o++) made[at + o] += value * weight[part + o];
            } else {
              for (let o = 0, w = part; o < outputs; o += 4, w += 4 * inputs) fourOutputs(made, at + o, values, from, weight, w, inputs);
            }
          }
        }
        if (relu) for (let o = at; o < at + outputs; o++) made[o] = Math.max(0, Math.min(6, made[o]));
      }
    }
    return { values: made, side: out, box: [top, bottom, left, right] };
  }

  class Surprise {
    constructor(stored) {
      Object.assign(this, { stored, known: {}, ground: null });
      this.tensors = {};
      for (const [name, values] of Object.entries(new LadderLive.Nets(stored).tensors)) this.tensors[name] = Float64Array.from(values);
    }

    // Keep what every layer makes of an image, so that later only what differs from it is computed.
    remember(image) {
      this.ground = null;
      this.features(image);
      this.ground = image;
    }

    // Rows and columns in which an image differs from the one that is remembered.
    differing(image, side) {
      const changed = [];
      image.forEach((v, p) => { if (v !== this.ground[p]) changed.push(p); });
      const rows = changed.map((p) => Math.floor(p / side)), columns = changed.map((p) => p % side);
      return [rows, columns].flatMap((places) => (changed.length ? [Math.min(...places), Math.max(...places) + 1] : [0, 0]));
    }

    // Maps of both levels from grey levels 0 … 1.
    features(image) {
      const { mean, spread, blocks, levels } = this.stored, maps = {}, side = Math.sqrt(image.length);
      let map = { values: image.map((grey) => (grey - mean) / spread), side, box: this.ground && this.differing(image, side) };
      blocks.forEach(({ layers, skip }, n) => {
        let next = map;
        layers.forEach((layer, i) => {
          const name = `${n}.${i}`;
          next = convolved(next, layer, this.tensors[`${name}.weight`], this.tensors[`${name}.bias`], this.ground && this.known[name]);
          if (!this.ground) this.known[name] = next.values.slice();
        });
        if (skip) next.values.forEach((_, i) => { next.values[i] += map.values[i]; });
        map = next;
        for (const [level, { after }] of Object.entries(levels)) if (after === n) maps[level] = map;
      });
      return maps;
    }

    // Whitened principal components at one position of a map.
    components(level, values, at) {
      const { channels } = this.stored.levels[level], mean = this.tensors[`${level}.mean`], matrix = this.tensors[`${level}.matrix`];
      return Float64Array.from({ length: channels }, (_, d) => {
        let sum = 0;
        for (let c = 0; c < channels; c++) sum += matrix[d * channels + c] * (values[at + c] - mean[c]);
        return sum;
      });
    }

    // log p of the leading components under the mixture (eq. 7.3).
    mixtureLogProb(level, u) {
      const { kept: D } = this.stored.levels[level];
      const [weights, loc, tril] = ["weights", "loc", "tril"].map((name) => this.tensors[`${level}.${name}`]);
      return LadderLive.logSumExp(Array.from(weights, (logWeight, k) => {
        const white = new Float64Array(D);
        let sum = logWeight - (D / 2) * LOG_TAU;
        for (let i = 0; i < D; i++) {
          const row = (k * D + i) * D;
          let rest = u[i] - loc[k * D + i];
          for (let j = 0; j < i; j++) rest -= tril[row + j] * white[j];
          white[i] = rest / tril[row + i];
          sum -= white[i] ** 2 / 2 + Math.log(tril[row + i]);
        }
        return sum;
      }));
    }

    // Standardised surprise at every position, of the kept components and of those left out (eq. 7.10).
    maps(image) {
      const found = {};
      for (const [level, { values }] of Object.entries(this.features(image))) {
        const { channels, kept, normal } = this.stored.levels[level], count = values.length / channels;
        const both = [new Float64Array(count), new Float64Array(count)];
        for (let p = 0; p < count; p++) {
          const u = this.components(level, values, p * channels);
          const rest = u.subarray(kept).reduce((sum, v) => sum + (v * v + LOG_TAU) / 2, 0);
          [-this.mixtureLogProb(level, u), rest].forEach((s, i) => { both[i][p] = (s - normal[i][0]) / normal[i][1]; });
        }
        [found[`${level}Kept`], found[`${level}Rest`]] = both;
      }
      return found;
    }
  }

  // The texture with a square of another one, with the mean and the standard deviation of what it covers.
  function patched(texture, foreign, side, { x, y, size }) {
    const inside = [];
    for (let row = Math.max(0, y - size); row < Math.min(side, y + size); row++) {
      for (let column = Math.max(0, x - size); column < Math.min(side, x + size); column++) inside.push(row * side + column);
    }
    const moments = (image) => {
      const mean = inside.reduce((sum, p) => sum + image[p], 0) / inside.length;
      return [mean, Math.sqrt(inside.reduce((sum, p) => sum + (image[p] - mean) ** 2, 0) / inside.length)];
    };
    const [mean, spread] = moments(texture), [other, width] = moments(foreign), image = Float64Array.from(texture);
    for (const p of inside) image[p] = Math.max(0, Math.min(1, ((foreign[p] - other) / (width || 1)) * spread + mean));
    return { image, inside: new Set(inside) };
  }

  LadderLive.kind("surprise", (figure, stored, ui) => {
    const { element } = ui, model = new Surprise(stored), { side } = stored, names = Object.keys(stored.foreign);
    const grey = (bytes) => Float64Array.from(bytes, (v) => v / 255), texture = grey(stored.texture);
    model.remember(texture);
    const foreign = names.map((name) => grey(stored.foreign[name])), state = { which: 0, x: 26, y: 22, size: 10 };
    const pad = element("canvas", { class: "live-pad", width: side, height: side, role: "img", style: "image-rendering: pixelated" });
    const panels = Object.keys(stored.levels).flatMap((level) => ["Kept", "Rest"].map((what) => {
      const { kept, channels } = stored.levels[level], words = what === "Kept" ? `${kept} that vary most` : `${channels - kept} left out`;
      const canvas = ui.picture(`${level}, ${words}`), share = element("div", { class: "live-value" });
      return { key: `${level}${what}`, level, canvas, share, box: ui.captioned(canvas, `${level.replace("level", "level ")}: ${words}`, share) };
    }));
    const set = (name) => (value) => { state[name] = value; update(); };
    const sliders = [["across", "x", 4, side - 4], ["down", "y", 4, side - 4], ["half its side", "size", 5, 16]].map(([label, name, min, max]) =>
      [name, ui.slider(label, { min, max, step: 1, value: state[name] }, set(name))]);

    // How often a position inside is more surprising than one outside; a tie counts one half.
    function higher(map, within) {
      const inside = Array.from(map).filter((_, i) => within[i]), outside = Array.from(map).filter((_, i) => !within[i]);
      const wins = inside.reduce((sum, a) => sum + outside.reduce((s, b) => s + (a > b ? 1 : a === b ? 0.5 : 0), 0), 0);
      return wins / (inside.length * outside.length);
    }

    function update() {
      const { image, inside } = patched(texture, foreign[state.which], side, state), maps = model.maps(image);
      const context = pad.getContext("2d"), pixels = context.createImageData(side, side);
      image.forEach((v, i) => pixels.data.set([255 * v, 255 * v, 255 * v, 255], 4 * i));
      context.putImageData(pixels, 0, 0);
      for (const { key, level, canvas, share } of panels) {
        const map = maps[key], cells = Math.sqrt(map.length), { stride, offset } = stored.levels[level];
        const within = Array.from(map, (_, i) => {
          const [row, column] = [Math.floor(i / cells), i % cells].map((v) => Math.round(offset + stride * v));
          return inside.has(row * side + column);
        });
        ui.drawImage(canvas, map.map((z) => (z + 1.5) / 5));
        const drawing = canvas.getContext("2d"), scale = canvas.width / side;
        Object.assign(drawing, { strokeStyle: ui.color("z2"), lineWidth: 2 });
        drawing.strokeRect((state.x - state.size) * scale, (state.y - state.size) * scale, 2 * state.size * scale, 2 * state.size * scale);
        share.textContent = `${Math.round(100 * higher(map, within))} %`;
      }
      legend.textContent = `Surprise −log p, ${ui.isDark() ? "bright" : "dark"} where large. Below each map: how often a place in the square is more surprising than one outside; 50 % is guessing.`;
      for (const [name, slider] of sliders) slider.input.value = state[name];
      pad.setAttribute("aria-label", `Grass with a square of ${names[state.which]}`);
    }

    function move(event) {
      const box = pad.getBoundingClientRect(), place = (v) => Math.max(4, Math.min(side - 4, Math.round(v * side)));
      state.x = place((event.clientX - box.left) / box.width);
      state.y = place((event.clientY - box.top) / box.height);
      update();
    }
    pad.addEventListener("pointerdown", (event) => { pad.setPointerCapture(event.pointerId); move(event); });
    pad.addEventListener("pointermove", (event) => { if (event.buttons) move(event); });

    const legend = element("p", { class: "live-label" });
    const panel = element("div", { class: "live-halves" },
      element("div", {}, pad, ui.choice("the square is", names, 0, set("which")), ...sliders.map(([, slider]) => slider)),
      element("div", {}, legend,
        element("div", { class: "live-pairs" }, ...panels.map(({ box }) => box))));
    const look = "Now drag the square over dark and bright grass, make it larger, and compare the maps of a level.";
    return {
      panel, update, covered: true,
      question: "A square of brick wall lies in the grass, as bright and as rich in contrast as the grass it covers. At the finest level, in the components that vary most: is the brick more surprising than the grass?",
      choices: [
        ["More: it does not belong there", `Not at this place: it is about as ordinary as the grass, or more so. In the components left out it stands out here. Is it so at other places, and for gravel? ${look}`],
        ["Less: it is smoother than the grass", `So it is at this place: surprise says how ordinary a place is, not whether it belongs. In the components left out it stands out here. Is it so elsewhere, and for gravel? ${look}`],
      ],
      numbers: ({ which, x, y, size }) => {
        const { image } = patched(texture, foreign[which], side, { x, y, size });
        return { image, ...model.maps(image) };
      },
    };
  });
})();
