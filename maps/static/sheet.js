"use strict";
/* A look-up's sheet: the place, how well it is known, and the grids about it. */

const twingrid = {
  data: () => JSON.parse(document.getElementById("data").textContent),

  /** Returns all there is to draw: the grids first, then the areas of overrides, then the place. */
  draw(map) {
    const { place, accuracy_m: accuracy, bounds, shapes } = this.data();
    map.fitBounds(bounds, { animate: false });
    L.control.scale({ imperial: false, maxWidth: 160 }).addTo(map);
    const drawn = ["other", "owner", "override"].flatMap((kind) => shapes.filter((one) => one.kind === kind)).map(this.shape);
    if (accuracy > 0) drawn.push(L.circle(place, { radius: accuracy, className: "accuracy", interactive: false }));
    drawn.push(L.circleMarker(place, { radius: 7, className: "place", interactive: false }));
    return L.layerGroup(drawn);
  },

  /** Returns a grid or an area with its name in the middle. */
  shape({ label, kind, strong, shape }) {
    const drawn = L.geoJSON(shape, { interactive: false, style: { className: `${kind}${strong ? " strong" : ""}` } });
    return drawn.bindTooltip(node("span", "", label), { permanent: true, direction: "center", className: `label ${kind}` });
  },
};
