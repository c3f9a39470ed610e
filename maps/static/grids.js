"use strict";
/* The map of the grids: popups, panel, paper and clock, around the picture of the networks. */

const twingrid = (() => {
  const data = () => (data.read ??= JSON.parse(document.getElementById("data").textContent));
  const flawOf = new WeakMap(); // path of the drawing → flaw
  let map, arcs, drawing, named, hovered;
  let networks = [];

  /** Returns a network whose grids know their shapes; what popups say is looked up when they open. */
  function read(layer, index) {
    const middles = shapes.decodePoints(layer.middles), { units_per_degree: units, alarms } = data();
    const states = Object.keys(data().states);
    const rings = shapes.decodeRings(layer.rings);
    const grids = layer.grids.map((row, n) => {
      const [code, name, , state, vacant] = row;
      const grid = { layer: index, row, code, name, state: states[state], vacant: Boolean(vacant), rings: rings[n] };
      grid.alarm = alarms.includes(grid.state);
      grid.at = [middles[2 * n + 1] / units, middles[2 * n] / units];
      grid.box = shapes.boxOf(grid.rings, arcs);
      grid.size = Math.min(grid.box.right - grid.box.left, grid.box.bottom - grid.box.top);
      return grid;
    });
    const sizes = grids.map((grid) => grid.size).sort((a, b) => a - b);
    return { grids, strong: layer.strong, shown: true, across: sizes[sizes.length >> 1] };
  }

  const pairs = (numbers) => numbers.filter((_, n) => n % 2 === 0).map((main, n) => [main, numbers[2 * n + 1]].map((one) => data().strings[one]));

  const lines = (className, numbers) => pairs(numbers).map(([main, detail]) =>
    node("p", className, node("span", "main", main), detail ? node("span", "detail", ` ${detail}`) : ""));

  function swatch(state) {
    const canvas = node("canvas", "swatch");
    canvas.dataset.state = state;
    return canvas;
  }

  function card(grid) {
    const { texts, states, strings } = data(), layer = data().layers[grid.layer];
    const [, , unit, , , now, people, outcomes, answering] = grid.row;
    const made = node("div", "card", node("h3", "", grid.name, " ", node("small", "", grid.code)));
    made.append(node("p", "detail", [layer.title, strings[unit]].filter(Boolean).join(" · ")));
    made.append(node("p", grid.alarm ? "duty loud" : "duty", swatch(grid.state), states[grid.state]));
    made.append(...lines("now", now));
    if (!layer.staffed) return made;
    made.append(node("h4", "", texts.responsible));
    made.append(...(people.length ? lines("", people) : [node("p", "main", texts.vacant)]));
    const steps = outcomes.map((outcome, n) =>
      node("li", n === answering ? "here" : "", `${layer.chain[n]}${texts.colon}${strings[outcome]}`));
    const chain = node("details", "", node("summary", "", texts.chain), node("ol", "", ...steps));
    chain.open = grid.alarm;
    made.append(chain);
    return made;
  }

  const flawCard = (flaw) => node("div", "card", node("h3", "", flaw.title), node("p", "detail", flaw.detail));

  /** Returns the line around a grid that is pointed at or chosen; thin where the grid is small on the screen. */
  function outline(grid, pane) {
    const isSmall = (grid.box.right - grid.box.left) * map.getZoomScale(map.getZoom(), 0) < 4 * picture.fontSize();
    return L.polygon(shapes.placesOf(grid, arcs), { interactive: false, pane, className: isSmall ? `${pane} small` : pane });
  }

  function open(at, grids, flaws = []) {
    const content = node("div", "cards", ...grids.map(card), ...flaws.map(flawCard));
    if (data().lookup_url) {
      const link = node("a", "official", data().texts.lookup);
      const when = data().is_live ? [] : [data().at_local];
      link.href = `${data().lookup_url}#${[at.lng.toFixed(6), at.lat.toFixed(6), ...when]}`;
      content.append(link);
    }
    const rem = picture.fontSize();
    const popup = L.popup({ maxWidth: Math.min(38 * rem, 0.8 * map.getSize().x), minWidth: 16 * rem * Math.min(grids.length, 2) });
    popup.setLatLng(at).setContent(content);
    const chosen = L.layerGroup(grids.map((grid) => outline(grid, "chosen")));
    popup.on("remove", () => chosen.remove());
    popup.openOn(map);
    content.querySelectorAll(".swatch").forEach(picture.paintSwatch);
    chosen.addTo(map);
  }

  /** Returns the grids of the networks shown that hold a place, at most one of each. */
  function gridsAt(place) {
    const { x, y } = map.options.crs.latLngToPoint(place, 0);
    return networks.filter((one) => one.shown).map((one) => one.grids.find((grid) => shapes.contains(grid, x, y, arcs))).filter(Boolean);
  }

  /** Outlines the grid under the pointer. */
  function hover(place) {
    const grid = place && gridsAt(place).find((one, _, all) => one.layer === drawing.filled || all.length === 1);
    if (grid === hovered?.grid) return;
    hovered?.path.remove();
    hovered = grid && { grid, path: outline(grid, "hovered").addTo(map) };
    map.getContainer().classList.toggle("over", Boolean(grid));
  }

  function goTo(grid) {
    map.fitBounds(L.latLngBounds(shapes.placesOf(grid, arcs).flat()).pad(0.6), { animate: false });
    open(L.latLng(grid.at), [grid]);
  }

  const label = () => labels.show(named, map, networks, data().texts);

  /** Draws the faults of the tilings, each with a ring that is seen at any scale. */
  function drawFlaws() {
    const style = { pane: "flaws", className: "flaw" };
    const pointToLayer = (_feature, latlng) => L.circleMarker(latlng, { ...style, radius: 2 }); // not a picture of a pin
    data().flaws.forEach((flaw) => {
      const ring = L.circleMarker(flaw.at, { pane: "flaws", className: "flaw", radius: 0.7 * picture.fontSize() });
      [ring.addTo(map), ...L.geoJSON(flaw.shape, { style, pointToLayer }).addTo(map).getLayers()]
        .forEach((drawn) => flawOf.set(drawn.getElement(), flaw));
    });
  }

  /** Lets the map show that it has the focus only to those who came by the keyboard. */
  function bindFocus() {
    const { dataset } = document.documentElement;
    document.addEventListener("keydown", ({ key }) => { if (key === "Tab") dataset.tabbed = ""; });
    document.addEventListener("mousedown", () => { delete dataset.tabbed; });
  }

  function bindPanel() {
    document.querySelectorAll("canvas.swatch").forEach(picture.paintSwatch);
    document.querySelectorAll("input[name=show]").forEach((box) => box.addEventListener("change", () => {
      networks[box.value].shown = box.checked;
      box.closest("section").classList.toggle("hidden-layer", !box.checked);
      drawing.redraw();
      label();
    }));
    document.querySelectorAll("input[name=fill]").forEach((radio) => radio.addEventListener("change", () => {
      drawing.filled = Number(radio.value);
      drawing.redraw();
    }));
    document.querySelectorAll("button[data-grid]").forEach((button) => button.addEventListener("click", () => {
      goTo(networks[button.dataset.layer].grids[button.dataset.grid]);
    }));
    document.querySelectorAll("button[data-paper]").forEach((button) => button.addEventListener("click", () => {
      document.documentElement.dataset.paper = button.dataset.paper;
      window.print();
    }));
  }

  /** Refits the map to the sheet when the page is printed, and back. */
  function bindPaper() {
    let before;
    const refit = (onPaper) => {
      if (onPaper === Boolean(before)) return;
      const zoomedIn = map.getZoom() > map.getBoundsZoom(data().bounds) + 0.25;
      const view = before ?? map.getBounds();
      before = onPaper ? view : undefined;
      map.closePopup();
      document.documentElement.classList.toggle("sheet", onPaper);
      map.invalidateSize({ animate: false, pan: false });
      map.options.zoomSnap = onPaper ? 0 : 0.25;
      map.fitBounds(onPaper && !zoomedIn ? data().bounds : view, { animate: false, padding: onPaper ? [10, 10] : [0, 0] });
      document.querySelectorAll("canvas.swatch").forEach(picture.paintSwatch);
    };
    window.addEventListener("beforeprint", () => refit(true));
    window.addEventListener("afterprint", () => refit(false));
    window.matchMedia("print").addEventListener("change", (media) => refit(media.matches));
  }

  /** Says how old the data of a live page have become. */
  function watchAge() {
    const note = document.getElementById("age");
    const minutes = Math.floor((Date.now() - Date.parse(data().at)) / 60000);
    note.hidden = minutes < data().old_after_min;
    note.textContent = data().texts.age.replace("{n}", minutes);
  }

  /** Returns the picture of the networks in the page, for a map that listens for clicks on it. */
  function draw(onMap) {
    map = onMap;
    map.fitBounds(data().bounds, { padding: [16, 16], animate: false });
    Object.entries({ hovered: 440, flaws: 450, chosen: 460, labels: 630 }).forEach(([name, zIndex]) => {
      map.createPane(name).style.zIndex = zIndex;
    });
    arcs = shapes.decodeArcs(data().arcs, data().units_per_degree);
    networks = data().layers.map(read);
    drawing = new picture.Picture(arcs, networks);
    map.eachLayer((layer) => { if (layer instanceof L.TileLayer) drawing.opacity = 0.6; });
    named = L.layerGroup().addTo(map);
    drawFlaws();
    map.on("moveend resize", label);
    map.on("mousemove", ({ latlng }) => hover(latlng));
    map.getContainer().addEventListener("mouseleave", () => hover());
    map.on("click", ({ latlng, originalEvent: { clientX, clientY } }) => {
      const paths = document.elementsFromPoint(clientX, clientY);
      const flaws = new Set(paths.map((path) => flawOf.get(path)).filter(Boolean));
      const grids = gridsAt(latlng);
      if (grids.length || flaws.size) open(latlng, grids, [...flaws]);
    });
    return drawing;
  }

  function start(ready) {
    const { texts } = data();
    map = ready;
    map.attributionControl?.setPrefix(false);
    L.control.zoom({ zoomInTitle: texts.zoom_in, zoomOutTitle: texts.zoom_out }).addTo(map);
    L.control.scale({ imperial: false, maxWidth: 10 * picture.fontSize() }).addTo(map);
    bindPanel();
    bindFocus();
    bindPaper();
    if (data().is_live) {
      watchAge();
      setInterval(watchAge, 20000);
    }
    if (!networks.length) return;
    label();
    finder.bind(networks.flatMap((one) => one.grids), data(), goTo);
  }

  return { draw, start, drawn: () => drawing.drawn };
})();

document.addEventListener("DOMContentLoaded", () => twingrid.start(map_grids));
