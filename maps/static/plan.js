"use strict";
/* A plan: what was on the left of the line, what will be on the right of it. */

const twingrid = {
  data: () => JSON.parse(document.getElementById("data").textContent),

  /** Returns what does not change, under both states, each in a pane of its own that the line cuts. */
  draw(map) {
    const { bounds, grids, around } = this.data();
    map.fitBounds(bounds, { animate: false, padding: [24, 24] });
    L.control.scale({ imperial: false, maxWidth: 160 }).addTo(map);
    const drawn = L.layerGroup(around.map((one) => this.shape(one, "overlayPane", `around ${one.layer}`, false)));
    const sides = ["before", "after"].map((side) => {
      const pane = map.createPane(side);
      pane.style.zIndex = 450;
      for (const one of grids) if (one[side]) drawn.addLayer(this.shape(one[side], side, `${one.kind} ${one.layer}`, one.kind !== "noded"));
      return pane;
    });
    this.swipe(map, sides);
    this.list(map, grids);
    return drawn;
  },

  /** Returns a grid, with its code in the middle where that is wanted. */
  shape({ code, shape }, pane, className, isNamed) {
    const drawn = L.geoJSON(shape, { interactive: false, pane, style: { className, renderer: this.renderer(pane) } });
    if (isNamed) drawn.bindTooltip(node("span", "", code), { permanent: true, direction: "center", className: "label", pane });
    return drawn;
  },

  renderers: {},

  /** Returns the one renderer of a pane. */
  renderer(pane) {
    return (this.renderers[pane] ??= L.svg({ pane }));
  },

  /** Cuts both panes at the line, wherever the map is moved to. */
  swipe(map, [before, after]) {
    const line = document.getElementById("swipe");
    const mark = document.getElementById("line");
    const cut = () => {
      const size = map.getSize();
      const from = map.containerPointToLayerPoint([0, 0]);
      const to = map.containerPointToLayerPoint(size);
      const share = line.value / line.max;
      const at = from.x + size.x * share;
      before.style.clip = `rect(${from.y}px,${at}px,${to.y}px,${from.x}px)`;
      after.style.clip = `rect(${from.y}px,${to.x}px,${to.y}px,${at}px)`;
      mark.style.left = `${100 * share}%`;
    };
    line.addEventListener("input", cut);
    map.on("move zoomend resize viewreset", cut);
    cut();
  },

  /** Lets a row of the list lead to its grid. */
  list(map, grids) {
    for (const button of document.querySelectorAll("button[data-grid]")) {
      const { before, after } = grids[button.dataset.grid];
      const whole = L.featureGroup([before, after].filter(Boolean).map(({ shape }) => L.geoJSON(shape)));
      button.addEventListener("click", () => map.fitBounds(whole.getBounds(), { padding: [80, 80] }));
    }
  },
};
