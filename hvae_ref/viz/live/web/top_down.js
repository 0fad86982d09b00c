// TopDownVAE.dense with two levels, the residual path, relative posteriors and a mixture of discretised logistics.
(() => {
  const { Nets, gaussianKl, normalHead, logisticMixtures, mixtureLogProb, mixtureMean } = self.LadderLive;
  const RATIO = 5; // hvae_ref.nn.heads.MAX_LOG_RATIO
  const models = new WeakMap();

  class TopDown extends Nets {
    // One model for all figures that are given the same data.
    static of(stored) {
      if (!models.has(stored)) models.set(stored, new TopDown(stored));
      return models.get(stored);
    }

    constructor(stored) {
      super(stored);
      this.values = stored.values;
      this.components = stored.components;
      this.sizes = { z2: stored.tensors["descent.z2.0.weight"][0][1], z1: stored.tensors["descent.z1.0.weight"][0][1] };
    }

    zeros(level) { return new Float64Array(this.sizes[level]); }

    descent(level, z) { return this.residual(`descent.${level}.1`, this.linear(`descent.${level}.0`, z)); }

    // p(z1 | z2), read from the state.
    prior(state) { return normalHead(this.mlp("prior.z1.net", state)); }

    join(above, z1) {
      const below = this.descent("z1", z1);
      return above.map((v, i) => v + below[i]);
    }

    mixtures(state) {
      const out = this.mlp("p_x_given_state.net.1", this.layerNorm("p_x_given_state.net.0", state));
      return logisticMixtures(out, this.values, this.components);
    }

    // Mean grey level of each pixel, 0 … 1.
    image(state) { return this.mixtures(state).map((mixture) => mixtureMean(mixture, this.values)); }

    logProb(state, x) {
      return this.mixtures(state).reduce((sum, mixture, i) => sum + mixtureLogProb(mixture, x[i], this.values), 0);
    }

    // From z2 and z1.
    decode(z2, z1) { return this.image(this.join(this.descent("z2", z2), z1)); }

    // From z2 and the noise of z1 ~ p(z1 | z2); noise 0 is the mean of z1.
    draw(z2, noise) {
      const above = this.descent("z2", z2), p = this.prior(above);
      const z1 = p.loc.map((v, i) => v + p.scale[i] * noise[i]);
      return { z1, prior: p, image: this.image(this.join(above, z1)) };
    }

    // The side path: what each level is told of x (whole grey levels).
    sidePath(x) {
      const seen = Float64Array.from(x, (v) => (2 * v) / (this.values - 1) - 1);
      const z1 = this.residual("side_path.z1.1", this.linear("side_path.z1.0.0", seen));
      return { z1, z2: this.residual("side_path.z2", z1) };
    }

    // q from a prior and what the side path says: its own location and scale, and its divergence from the prior.
    posterior(level, prior, r) {
      const out = this.mlp(`posterior.${level}.net`, r), half = out.length / 2;
      const loc = prior.loc.map((v, i) => v + out[i]);
      const scale = prior.scale.map((v, i) => v * Math.exp(RATIO * Math.tanh(out[half + i] / RATIO)));
      return { loc, scale, kl: loc.reduce((sum, v, i) => sum + gaussianKl(v, scale[i], prior.loc[i], prior.scale[i]), 0) };
    }

    // Both levels of an image at the noise given: priors, posteriors and latents; KL and log p(x|z) in nats.
    infer(x, noise = { z2: this.zeros("z2"), z1: this.zeros("z1") }) {
      const r = this.sidePath(x), sample = ({ loc, scale }, e) => loc.map((v, i) => v + scale[i] * e[i]);
      const p2 = { loc: this.zeros("z2"), scale: this.zeros("z2").fill(1) }, q2 = this.posterior("z2", p2, r.z2);
      const z2 = sample(q2, noise.z2), above = this.descent("z2", z2), p1 = this.prior(above);
      const q1 = this.posterior("z1", p1, r.z1), z1 = sample(q1, noise.z1), state = this.join(above, z1);
      return {
        z2, z1, p: { z2: p2, z1: p1 }, q: { z2: q2, z1: q1 }, kl: { z2: q2.kl, z1: q1.kl },
        logProb: this.logProb(state, x), image: this.image(state),
      };
    }
  }

  self.LadderLive.TopDown = TopDown;
})();
