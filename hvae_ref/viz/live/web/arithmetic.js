// Arithmetic that live figures share: nets as hvae_ref writes them, and densities. Vectors are Float64Array; a matrix is
// one byte a number with a scale for each row, as hvae_ref/viz/live/weights.py packs it.
(() => {
  const softplus = (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
  const silu = (x) => x / (1 + Math.exp(-x));
  const sigmoid = (x) => 1 / (1 + Math.exp(-x));
  const FLOOR = -6, SOFT = 5;
  const boundedLogSigma = (x) => FLOOR + softplus((x > SOFT ? SOFT + Math.log1p(x - SOFT) : x) - FLOOR);

  function logSumExp(terms) {
    const most = Math.max(...terms);
    return most + Math.log(terms.reduce((sum, term) => sum + Math.exp(term - most), 0));
  }

  // KL(N(loc, scale²) ‖ N(priorLoc, priorScale²)) of one number, in nats.
  function gaussianKl(loc, scale, priorLoc, priorScale) {
    const ratio = scale / priorScale;
    return 0.5 * (((loc - priorLoc) / priorScale) ** 2 + ratio ** 2 - 1) - Math.log(ratio);
  }

  class Nets {
    constructor(stored) {
      const bytes = Uint8Array.from(atob(stored.data), (c) => c.charCodeAt(0));
      this.tensors = {};
      for (const [name, [shape, offset]] of Object.entries(stored.tensors)) {
        if (shape.length >= 2) {
          const columns = shape.slice(1).reduce((a, b) => a * b, 1);
          const scale = new Float32Array(bytes.buffer, offset, shape[0]);
          const numbers = new Int8Array(bytes.buffer, offset + 4 * shape[0], shape[0] * columns);
          this.tensors[name] = { shape, columns, scale, numbers };
        } else {
          this.tensors[name] = new Float32Array(bytes.buffer, offset, shape[0] ?? 1);
        }
      }
    }

    // nn.Linear
    linear(name, x) {
      const { shape, columns, scale, numbers } = this.tensors[`${name}.weight`], bias = this.tensors[`${name}.bias`];
      const y = new Float64Array(shape[0]);
      for (let i = 0; i < shape[0]; i++) {
        let sum = 0;
        for (let j = 0, at = i * columns; j < columns; j++) sum += numbers[at + j] * x[j];
        y[i] = sum * scale[i] + (bias ? bias[i] : 0);
      }
      return y;
    }

    // nn.LayerNorm
    layerNorm(name, x) {
      const weight = this.tensors[`${name}.weight`], bias = this.tensors[`${name}.bias`];
      const mean = x.reduce((a, b) => a + b, 0) / x.length;
      const variance = x.reduce((a, b) => a + (b - mean) ** 2, 0) / x.length;
      return x.map((v, i) => ((v - mean) / Math.sqrt(variance + 1e-5)) * weight[i] + bias[i]);
    }

    // hvae_ref.nn.mlp with any number of layers, SiLU between them: places 0, 2, 4, … of a Sequential
    mlp(name, x) {
      let y = this.linear(`${name}.0`, x);
      for (let place = 2; this.tensors[`${name}.${place}.weight`]; place += 2) y = this.linear(`${name}.${place}`, y.map(silu));
      return y;
    }

    // hvae_ref.models.top_down_model.ResidualBlock
    residual(name, x) {
      const y = this.linear(`${name}.net.3`, this.linear(`${name}.net.0`, this.layerNorm(`${name}.norm`, x)).map(silu));
      return x.map((v, i) => v + y[i]);
    }
  }

  // hvae_ref.nn.ConditionalNormal: locations, then log σ before the floor.
  function normalHead(out) {
    const half = out.length / 2;
    return { loc: out.slice(0, half), scale: out.slice(half).map((v) => Math.exp(boundedLogSigma(v))) };
  }

  // hvae_ref.nn.LogisticMixture: for each pixel K weights, locations and scales in the unit of grey levels.
  function logisticMixtures(out, values, components) {
    const half = (values - 1) / 2, pixels = [], K = components;
    for (let at = 0; at < out.length; at += 3 * K) {
      const logits = Array.from(out.slice(at, at + K)), total = logSumExp(logits);
      pixels.push(logits.map((logit, k) => ({
        logWeight: logit - total,
        loc: half * (1 + out[at + K + k]),
        scale: (Math.exp(boundedLogSigma(out[at + 2 * K + k])) * half) / 4,
      })));
    }
    return pixels;
  }

  // log p of one whole grey level; the first and the last bin hold the tails.
  function mixtureLogProb(mixture, value, values) {
    return logSumExp(mixture.map(({ logWeight, loc, scale }) => {
      const upper = (value + 0.5 - loc) / scale, lower = (value - 0.5 - loc) / scale;
      const first = value <= 0, last = value >= values - 1;
      const width = first || last ? 0 : Math.log(-Math.expm1(-1 / scale));
      return logWeight + (last ? 0 : -softplus(-upper)) + (first ? 0 : -softplus(lower)) + width;
    }));
  }

  // Mean of the whole grey levels, as Σ P(X ≥ v), on the scale 0 … 1.
  function mixtureMean(mixture, values) {
    let mean = 0;
    for (const { logWeight, loc, scale } of mixture) {
      let above = 0;
      for (let v = 1; v < values; v++) above += sigmoid((loc - v + 0.5) / scale);
      mean += Math.exp(logWeight) * above;
    }
    return mean / (values - 1);
  }

  Object.assign(self.LadderLive, {
    Nets, softplus, silu, sigmoid, boundedLogSigma, logSumExp, gaussianKl, normalHead, logisticMixtures, mixtureLogProb, mixtureMean,
  });
})();
