"use strict";
/* Draws all networks on one canvas: fills by the state of duty, then every border once. */

const picture = (() => {
  const APART = 0.75; // pixels: of an arc, points nearer to the last one drawn are left out
  const AT_ONCE = 100; // arcs in one stroke: longer ones take longer than their parts

  /** Leaflet's canvas, as sharp as the screen, and sharper on paper. */
  const Sheet = L.Canvas.extend({
    _updatePaths() {
      const size = this._bounds.getSize(), { min } = this._bounds, sharp = sharpness();
      this._container.width = sharp * size.x;
      this._container.height = sharp * size.y;
      this._ctx.setTransform(sharp, 0, 0, sharp, -sharp * min.x, -sharp * min.y);
      L.Canvas.prototype._updatePaths.call(this);
    },
  });

  const isPaper = () => document.documentElement.classList.contains("sheet");
  const sharpness = () => (isPaper() ? 3 : Math.max(1, window.devicePixelRatio));
  const fontSize = () => parseFloat(getComputedStyle(document.documentElement).fontSize);
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

  /** Returns a repeated tile of `size` pixels, drawn by `paint(context, size)`. */
  function pattern(context, size, paint) {
    const tile = document.createElement("canvas"), sharp = 3;
    tile.width = tile.height = Math.ceil(size * sharp);
    const brush = tile.getContext("2d");
    brush.scale(tile.width / size, tile.height / size);
    paint(brush, size);
    const made = context.createPattern(tile, "repeat");
    made.setTransform(new DOMMatrix().scale(size / tile.width));
    return made;
  }

  const stripes = (leans) => (brush, size) => {
    brush.fillStyle = colour("nobody");
    brush.fillRect(0, 0, size, size);
    brush.strokeStyle = colour("ink");
    brush.lineWidth = size * 0.24;
    brush.beginPath();
    for (const shift of [-size, 0, size]) {
      brush.moveTo(shift - leans, leans > 0 ? -1 : size + 1);
      brush.lineTo(shift + size + 1, leans > 0 ? size + 1 : -1);
    }
    brush.stroke();
  };

  const dots = (brush, size) => {
    brush.fillStyle = colour("contact");
    brush.fillRect(0, 0, size, size);
    brush.fillStyle = colour("ink");
    brush.beginPath();
    brush.arc(size / 2, size / 2, size * 0.19, 0, 7);
    brush.fill();
  };

  const ring = (brush, size) => {
    for (const [width, stroke] of [[0.18, "#fff"], [0.07, colour("ink")]]) {
      brush.lineWidth = width * size;
      brush.strokeStyle = stroke;
      brush.beginPath();
      brush.arc(size / 2, size / 2, size * 0.2, 0, 7);
      brush.stroke();
    }
  };

  /** Returns what states of duty are filled with, on the filled network and over it; `small` is for what is tiny. */
  function palette(context) {
    const rem = fontSize();
    const plain = Object.fromEntries(["officer", "squad", "crew", "contact", "nobody", "unstaffed"].map((state) => [state, colour(state)]));
    return {
      rem,
      small: plain,
      filled: { ...plain, contact: pattern(context, 0.6 * rem, dots), nobody: pattern(context, 0.7 * rem, stripes(1)) },
      over: { contact: pattern(context, 0.6 * rem, dots), nobody: pattern(context, 0.7 * rem, stripes(-1)) },
      vacant: pattern(context, 1.4 * rem, ring),
      line: colour("line"),
      ink: colour("ink"),
    };
  }

  /** Puts a swatch of a state, as the map fills it, on a canvas. */
  function paintSwatch(canvas) {
    const { width, height } = canvas.getBoundingClientRect(), sharp = 3, context = canvas.getContext("2d");
    canvas.width = width * sharp;
    canvas.height = height * sharp;
    context.scale(sharp, sharp);
    const colours = palette(context);
    context.fillStyle = canvas.dataset.state === "vacant" ? colours.vacant : colours.filled[canvas.dataset.state];
    context.fillRect(0, 0, width, height);
    context.strokeStyle = colours.ink;
    context.lineWidth = 2;
    context.strokeRect(0, 0, width, height);
  }

  /** Returns the arcs of a network, each with the size of the smallest grid along it, in the order of that size. */
  function bordersOf({ grids }) {
    const size = new Map();
    grids.forEach((grid) => grid.rings.forEach((along) => along.forEach((step) => {
      size.set(step >> 1, Math.min(grid.size, size.get(step >> 1) ?? Infinity));
    })));
    return [...size].sort((a, b) => a[1] - b[1]);
  }

  const Picture = L.Path.extend({
    /** `networks`: of each `grids`, `strong`, `shown`; `filled` is the number of the one that is filled. */
    initialize(arcs, networks) {
      L.setOptions(this, { renderer: new Sheet({ padding: 0.2 }), interactive: false });
      Object.assign(this, { arcs, networks, filled: 0, drawn: 0 });
      this.borders = networks.map(bordersOf);
    },

    _project() {},
    _update() {},

    _updatePath() {
      const context = this._renderer._ctx;
      this.scale = this._map.options.crs.scale(this._map.getZoom()) / 256;
      this.origin = this._map.getPixelOrigin();
      const { min, max } = this._renderer._bounds, { x, y } = this.origin;
      const view = { left: (min.x + x) / this.scale, top: (min.y + y) / this.scale, right: (max.x + x) / this.scale, bottom: (max.y + y) / this.scale };
      this.thin();
      const colours = palette(context);
      context.lineJoin = context.lineCap = "round";
      context.globalAlpha = this.opacity ?? 1;
      this.drawn = 0;
      const order = this.networks.map((_, n) => n).sort((a, b) => (b === this.filled) - (a === this.filled) || a - b);
      order.filter((n) => this.networks[n].shown).forEach((n) => this.fill(context, n, view, colours));
      context.globalAlpha = 1;
      const shown = this.networks.map((_, n) => n).filter((n) => this.networks[n].shown);
      const done = new Set(); // a border of several networks is drawn once, as one of the strongest
      const strongestFirst = shown.slice().sort((a, b) => this.networks[b].strong - this.networks[a].strong);
      const lines = strongestFirst.map((n) => {
        const own = this.borders[n].filter(([arc]) => !done.has(arc));
        own.forEach(([arc]) => done.add(arc));
        return [n, own];
      });
      lines.reverse().forEach(([n, own]) => this.stroke(context, n, own, view, colours));
      shown.forEach((n) => this.mark(context, n, view, colours));
    },

    /** Chooses the points of arcs that are worth drawing at this zoom: both sides of a border draw the same. */
    thin() {
      if (this.thinned === this.scale) return;
      this.thinned = this.scale;
      const { begins, xy } = this.arcs, least = (APART / this.scale) ** 2;
      const points = new Uint32Array(xy.length / 2), starts = new Uint32Array(begins.length);
      let count = 0;
      for (let arc = 0; arc + 1 < begins.length; arc += 1) {
        starts[arc] = count;
        let last = begins[arc];
        points[count++] = last;
        for (let n = begins[arc] + 1; n < begins[arc + 1] - 1; n += 1) {
          const dx = xy[2 * n] - xy[2 * last], dy = xy[2 * n + 1] - xy[2 * last + 1];
          if (dx * dx + dy * dy >= least) points[count++] = last = n;
        }
        points[count++] = begins[arc + 1] - 1;
      }
      starts[begins.length - 1] = count;
      Object.assign(this, { points, starts });
    },

    /** Draws a line along an arc; `goesOn` where it continues one that has come to its beginning. */
    trace(context, arc, backwards, goesOn) {
      const { points, starts, scale, origin, arcs: { xy } } = this;
      const first = backwards ? starts[arc + 1] - 1 : starts[arc], step = backwards ? -1 : 1;
      const end = backwards ? starts[arc] - 1 : starts[arc + 1];
      for (let at = first; at !== end; at += step) {
        const n = 2 * points[at], x = xy[n] * scale - origin.x, y = xy[n + 1] * scale - origin.y;
        if (at !== first) context.lineTo(x, y);
        else if (!goesOn) context.moveTo(x, y);
      }
    },

    fill(context, n, view, colours) {
      const isFilled = n === this.filled, fills = isFilled ? colours.filled : colours.over;
      for (const grid of this.networks[n].grids) {
        if (!shapes.meet(grid.box, view)) continue;
        this.drawn += 1;
        const style = fills[grid.state];
        if (!style) continue;
        const size = grid.size * this.scale;
        context.fillStyle = size < 1.5 * colours.rem ? colours.small[grid.state] : style;
        context.beginPath();
        grid.rings.forEach((along) => {
          along.forEach((step, place) => this.trace(context, step >> 1, step & 1, place > 0));
          context.closePath();
        });
        context.fill("evenodd");
        if (!grid.vacant || !isFilled || size < 4 * colours.rem) continue;
        context.fillStyle = colours.vacant;
        context.fill("evenodd");
      }
    },

    /** Draws borders, thinner where grids are small on the screen; `own` are in the order of that size. */
    stroke(context, n, own, view, colours) {
      const { strong } = this.networks[n];
      const seen = own.filter(([arc]) => shapes.meet(this.arcs.boxes[arc], view));
      context.strokeStyle = strong ? colours.ink : colours.line;
      for (let at = 0; at < seen.length; at += AT_ONCE) {
        const size = (seen[at][1] * this.scale) / colours.rem;
        context.lineWidth = colours.rem * (strong ? Math.min(0.21, 0.015 + 0.03 * size) : Math.min(0.06, 0.004 + 0.015 * size));
        context.beginPath();
        seen.slice(at, at + AT_ONCE).forEach(([arc]) => this.trace(context, arc, false, false));
        context.stroke();
      }
    },

    /** Marks uncovered grids that are too small to be seen. */
    mark(context, n, view, colours) {
      for (const grid of this.networks[n].grids) {
        if (!grid.alarm || grid.size * this.scale > 0.6 * colours.rem || !shapes.meet(grid.box, view)) continue;
        const { x, y } = this._map.latLngToLayerPoint(grid.at);
        context.beginPath();
        context.arc(x, y, 0.25 * colours.rem, 0, 7);
        context.fillStyle = colours.small[grid.state];
        context.fill();
        context.lineWidth = 0.08 * colours.rem;
        context.strokeStyle = colours.ink;
        context.stroke();
      }
    },
  });

  return { Picture, paintSwatch, fontSize };
})();
