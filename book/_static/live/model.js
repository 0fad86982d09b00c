// The arithmetic of a dense top-down VAE with a mixture of discretised logistics, as hvae_ref writes it.
// Vectors are Float64Array; weights are one byte a number with a scale for each row.
(() => {
  const softplus = (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
  const silu = (x) => x / (1 + Math.exp(-x));
  const FLOOR = -6, SOFT = 5, RATIO = 5;
  const boundedLogSigma = (x) => FLOOR + softplus((x > SOFT ? SOFT + Math.log1p(x - SOFT) : x) - FLOOR);

  class Model {
    constructor(stored) {
      const bytes = Uint8Array.from(atob(stored.data), (c) => c.charCodeAt(0));
      this.tensors = {};
      for (const [name, [shape, offset]] of Object.entries(stored.tensors)) {
        if (shape.length === 2) {
          const scale = new Float32Array(bytes.buffer, offset, shape[0]);
          const numbers = new Int8Array(bytes.buffer, offset + 4 * shape[0], shape[0] * shape[1]);
          this.tensors[name] = { shape, scale, numbers };
        } else {
          this.tensors[name] = new Float32Array(bytes.buffer, offset, shape[0] ?? 1);
        }
      }
      this.levels = stored.levels;
      this.sizes = { z2: stored.tensors["descent.z2.0.weight"][0][1], z1: stored.tensors["descent.z1.0.weight"][0][1] };
      this.values = 17;
    }

    linear(name, x) {
      const { shape, scale, numbers } = this.tensors[`${name}.weight`], bias = this.tensors[`${name}.bias`];
      const [rows, columns] = shape, y = new Float64Array(rows);
      for (let i = 0; i < rows; i++) {
        let sum = 0;
        for (let j = 0, at = i * columns; j < columns; j++) sum += numbers[at + j] * x[j];
        y[i] = sum * scale[i] + bias[i];
      }
      return y;
    }

    layerNorm(name, x) {
      const weight = this.tensors[`${name}.weight`], bias = this.tensors[`${name}.bias`];
      const mean = x.reduce((a, b) => a + b, 0) / x.length;
      const variance = x.reduce((a, b) => a + (b - mean) ** 2, 0) / x.length;
      return x.map((v, i) => ((v - mean) / Math.sqrt(variance + 1e-5)) * weight[i] + bias[i]);
    }

    mlp(name, x) {
      return this.linear(`${name}.2`, this.linear(`${name}.0`, x).map(silu));
    }

    residual(name, x) {
      const inner = this.linear(`${name}.net.0`, this.layerNorm(`${name}.norm`, x)).map(silu);
      const y = this.linear(`${name}.net.3`, inner);
      return x.map((v, i) => v + y[i]);
    }

    descent(level, z) {
      return this.residual(`descent.${level}.1`, this.linear(`descent.${level}.0`, z));
    }

    // p(z1 | z2), read from the state: means and standard deviations.
    prior(state) {
      const out = this.mlp("prior.z1.net", state), half = out.length / 2;
      return { loc: out.slice(0, half), scale: out.slice(half).map((v) => Math.exp(boundedLogSigma(v))) };
    }

    // From z2 and the noise of z1 to the mean grey level of each pixel.
    decode(z2, noise) {
      const above = this.descent("z2", z2), p = this.prior(above);
      const z1 = p.loc.map((v, i) => v + p.scale[i] * noise[i]);
      return { z1, prior: p, image: this.image(this.join(above, z1)) };
    }

    join(above, z1) {
      const below = this.descent("z1", z1);
      return above.map((v, i) => v + below[i]);
    }

    mixtures(state) {
      const h = this.mlp("p_x_given_state.net.1", this.layerNorm("p_x_given_state.net.0", state));
      const half = (this.values - 1) / 2, pixels = [];
      for (let at = 0; at < h.length; at += 9) {
        const logits = h.slice(at, at + 3), most = Math.max(...logits);
        const total = logits.reduce((sum, v) => sum + Math.exp(v - most), 0);
        pixels.push([0, 1, 2].map((k) => ({
          logWeight: logits[k] - most - Math.log(total),
          loc: half * (1 + h[at + 3 + k]),
          scale: (Math.exp(boundedLogSigma(h[at + 6 + k])) * half) / 4,
        })));
      }
      return pixels;
    }

    logProb(mixture, value) {
      const terms = mixture.map(({ logWeight, loc, scale }) => {
        const upper = (value + 0.5 - loc) / scale, lower = (value - 0.5 - loc) / scale;
        const first = value <= 0, last = value >= this.values - 1;
        const width = first || last ? 0 : Math.log(-Math.expm1(-1 / scale));
        return logWeight + (last ? 0 : -softplus(-upper)) + (first ? 0 : -softplus(lower)) + width;
      });
      const most = Math.max(...terms);
      return most + Math.log(terms.reduce((sum, term) => sum + Math.exp(term - most), 0));
    }

    // Mean grey level of each pixel, 0 … 1.
    image(state) {
      return this.mixtures(state).map((mixture) => {
        let mean = 0;
        for (let v = 1; v < this.values; v++) mean += v * Math.exp(this.logProb(mixture, v));
        return mean / (this.values - 1);
      });
    }

    // The posterior of both levels, with the noise given; KL of each level and log p(x|z), in nats.
    infer(x, noise) {
      const seen = Float64Array.from(x, (v) => (2 * v) / (this.values - 1) - 1);
      const r1 = this.residual("side_path.z1.1", this.linear("side_path.z1.0.0", seen));
      const r2 = this.residual("side_path.z2", r1);
      const standard = { loc: new Float64Array(this.sizes.z2), scale: new Float64Array(this.sizes.z2).fill(1) };
      const top = this.relative("z2", standard, r2, noise.z2), above = this.descent("z2", top.z);
      const low = this.relative("z1", this.prior(above), r1, noise.z1), state = this.join(above, low.z);
      const mixtures = this.mixtures(state);
      const logProb = mixtures.reduce((sum, mixture, i) => sum + this.logProb(mixture, x[i]), 0);
      return { z2: top.z, z1: low.z, kl: { z2: top.kl, z1: low.kl }, logProb, image: this.image(state) };
    }

    relative(level, prior, r, noise) {
      const out = this.mlp(`posterior.${level}.net`, r), half = out.length / 2;
      const z = new Float64Array(half);
      let kl = 0;
      for (let i = 0; i < half; i++) {
        const shift = out[i], ratio = Math.exp(RATIO * Math.tanh(out[half + i] / RATIO));
        z[i] = prior.loc[i] + shift + prior.scale[i] * ratio * noise[i];
        kl += 0.5 * ((shift / prior.scale[i]) ** 2 + ratio ** 2 - 2 * Math.log(ratio) - 1);
      }
      return { z, kl };
    }
  }

  self.LadderModel = Model;
})();
