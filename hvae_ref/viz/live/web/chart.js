// A chart on a canvas as wide as its column: two axes with ticks, then lines, points and bars in the units of the data.
(() => {
  const MARGIN = { left: 56, right: 12, top: 12, bottom: 44 }, FONT = "13px system-ui, sans-serif";
  const written = (value) => String(value).replace("-", "−");

  class Chart {
    // x and y: [least, greatest]; ticks: values of the data. The height is a share of the width, and at least 200 pixels.
    constructor(canvas, ui, { x, y, xLabel = "", yLabel = "", xTicks = [], yTicks = [], share = 0.75 }) {
      const ratio = self.devicePixelRatio || 1, width = canvas.clientWidth || 420, height = Math.max(200, share * width);
      Object.assign(canvas, { width: Math.round(width * ratio), height: Math.round(height * ratio) });
      Object.assign(this, { x, y, context: canvas.getContext("2d"), ink: ui.color("ink"), quiet: ui.color("line") });
      const { context } = this;
      context.scale(ratio, ratio);
      this.box = { left: MARGIN.left, top: MARGIN.top, right: width - MARGIN.right, bottom: height - MARGIN.bottom };
      this.font();
      for (const tick of xTicks) {
        const [at] = this.at(tick, y[0]);
        this.path([[at, this.box.top], [at, this.box.bottom]], this.quiet, 1);
        this.text(written(tick), at, this.box.bottom + 13, "center");
      }
      for (const tick of yTicks) {
        const [, at] = this.at(x[0], tick);
        this.path([[this.box.left, at], [this.box.right, at]], this.quiet, 1);
        this.text(written(tick), this.box.left - 6, at, "right");
      }
      this.text(xLabel, (this.box.left + this.box.right) / 2, height - 10, "center");
      context.save();
      context.translate(10, (this.box.top + this.box.bottom) / 2);
      context.rotate(-Math.PI / 2);
      this.text(yLabel, 0, 0, "center");
      context.restore();
    }

    font(style = "") {
      this.context.font = `${style} ${FONT}`;
    }

    // Place on the canvas of a point of the data.
    at(x, y) {
      const across = (x - this.x[0]) / (this.x[1] - this.x[0]), up = (y - this.y[0]) / (this.y[1] - this.y[0]);
      return [this.box.left + across * (this.box.right - this.box.left), this.box.bottom - up * (this.box.bottom - this.box.top)];
    }

    text(text, x, y, align = "left", color = this.ink) {
      Object.assign(this.context, { fillStyle: color, textAlign: align, textBaseline: "middle" });
      this.context.fillText(text, x, y);
    }

    path(places, color, width = 1.5, dash = []) {
      const { context } = this;
      Object.assign(context, { strokeStyle: color, lineWidth: width });
      context.setLineDash(dash);
      context.beginPath();
      places.forEach(([x, y], i) => (i ? context.lineTo(x, y) : context.moveTo(x, y)));
      context.stroke();
      context.setLineDash([]);
    }

    // Points of the data, joined; what lies beyond the axes is cut off.
    line(points, color, width = 2, dash = []) {
      const { left, top, right, bottom } = this.box;
      this.context.save();
      this.context.beginPath();
      this.context.rect(left, top, right - left, bottom - top);
      this.context.clip();
      this.path(points.map(([x, y]) => this.at(x, y)), color, width, dash);
      this.context.restore();
    }

    dot([x, y], color, radius = 4) {
      this.context.fillStyle = color;
      this.context.beginPath();
      this.context.arc(...this.at(x, y), radius, 0, 7);
      this.context.fill();
    }

    // A bar from zero, `width` in units of x.
    bar(x, y, width, color) {
      const [left, end] = this.at(x - width / 2, y), [right, zero] = this.at(x + width / 2, 0);
      this.context.fillStyle = color;
      this.context.fillRect(left, Math.min(end, zero), right - left, Math.abs(end - zero));
    }
  }

  LadderLive.Chart = Chart;
})();
