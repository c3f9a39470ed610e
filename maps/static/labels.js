"use strict";
/* Names of grids once most of a network are large enough, where there is room: uncovered grids and strong networks first, none upon another. */

const labels = (() => {
  const MOST_FORCED = 24; // uncovered grids in view that are named even where their shapes are too small for it
  const CELL = 64; // pixels: placed labels are found again by the squares they lie in

  const ruler = document.createElement("canvas").getContext("2d");
  const widths = new Map();

  function widthOf(text, font) {
    const key = `${font}\n${text}`;
    if (!widths.has(key)) {
      ruler.font = font;
      widths.set(key, ruler.measureText(text).width);
    }
    return widths.get(key);
  }

  /** Remembers boxes; `take(box)` says whether it is free, and takes it if so. */
  function plan() {
    const squares = new Map();
    return (box) => {
      const keys = [];
      for (let x = Math.floor(box.left / CELL); x <= box.right / CELL; x += 1) {
        for (let y = Math.floor(box.top / CELL); y <= box.bottom / CELL; y += 1) keys.push(`${x},${y}`);
      }
      const isTaken = keys.some((key) => squares.get(key)?.some((other) =>
        box.left < other.right && box.right > other.left && box.top < other.bottom && box.bottom > other.top));
      if (isTaken) return false;
      keys.forEach((key) => squares.set(key, [...(squares.get(key) ?? []), box]));
      return true;
    };
  }

  function marker(grid, strong, texts, shift) {
    const text = node("span", "", node("b", "", grid.name));
    if (grid.alarm) text.append(node("em", "loud", texts.nobody_label));
    if (grid.vacant) text.append(node("em", "", texts.vacant_label));
    text.style.marginTop = `${shift}px`;
    const icon = L.divIcon({ className: strong ? "label strong" : "label", html: text, iconSize: null });
    return L.marker(grid.at, { icon, interactive: false, keyboard: false, pane: "labels" });
  }

  /** Fills `group` with the labels for what is in view. */
  function show(group, map, networks, texts) {
    group.clearLayers();
    const rem = picture.fontSize(), family = getComputedStyle(document.documentElement).fontFamily;
    const bounds = map.getPixelBounds(), origin = map.getPixelOrigin(), scale = map.options.crs.scale(map.getZoom()) / 256;
    const view = { left: bounds.min.x / scale, top: bounds.min.y / scale, right: bounds.max.x / scale, bottom: bounds.max.y / scale };
    const seen = networks.flatMap((network) => (network.shown ? network.grids.filter((grid) => shapes.meet(grid.box, view)) : []));
    const isForced = seen.filter((grid) => grid.alarm).length <= MOST_FORCED;
    const rank = (grid) => (grid.alarm ? 0 : 2) + (networks[grid.layer].strong ? 0 : 1);
    const take = plan();
    seen.sort((a, b) => rank(a) - rank(b)).forEach((grid) => {
      const { strong, across } = networks[grid.layer], { box } = grid;
      const room = (box.right - box.left) * scale, size = strong ? 1.05 : 0.88;
      if (!(grid.alarm && isForced) && (across * scale < 2 * rem || room < 2 * rem)) return;
      const badge = `700 ${0.78 * rem}px ${family}`;
      const badges = [grid.alarm && texts.nobody_label, grid.vacant && texts.vacant_label].filter(Boolean);
      const width = Math.max(widthOf(grid.name, `${strong ? 700 : 500} ${size * rem}px ${family}`), ...badges.map((text) => widthOf(text, badge) + 0.7 * rem));
      const height = (size * 1.2 + 1.35 * badges.length) * rem;
      const isWider = width > room * 1.15;
      if (isWider && !(grid.alarm && isForced)) return;
      const { x, y } = map.latLngToLayerPoint(grid.at);
      const middle = isWider ? box.top * scale - origin.y - height / 2 : y; // above a small uncovered grid
      if (take({ left: x - width / 2, right: x + width / 2, top: middle - height / 2, bottom: middle + height / 2 })) {
        group.addLayer(marker(grid, strong, texts, middle - y));
      }
    });
  }

  return { show };
})();
