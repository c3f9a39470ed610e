"use strict";
/* Draws the networks from the data in the page. Text of the data enters as text nodes only, never as markup. */

const twingrid = (() => {
  let data;
  let map;
  const networks = [];
  const gridOf = new WeakMap(); // path of the drawing → grid
  const flawOf = new WeakMap();

  function node(tag, className, ...children) {
    const made = document.createElement(tag);
    if (className) made.className = className;
    made.append(...children);
    return made;
  }

  function swatch(state) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("class", "swatch");
    const rect = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    for (const [key, value] of Object.entries({ class: `state-${state}`, width: "100%", height: "100%" })) {
      rect.setAttribute(key, value);
    }
    svg.append(rect);
    return svg;
  }

  function lines(className, rows) {
    return rows.map(({ main, detail }) =>
      node("p", className, node("span", "main", main), detail ? node("span", "detail", ` ${detail}`) : ""));
  }

  function card(grid) {
    const made = node("div", "card", node("h3", "", grid.name, " ", node("small", "", grid.code)));
    made.append(node("p", "detail", [data.layers[grid.layer].title, grid.unit].filter(Boolean).join(" · ")));
    made.append(node("p", grid.alarm ? "duty loud" : "duty", swatch(grid.state), data.states[grid.state]));
    made.append(...lines("now", grid.now));
    if (!data.layers[grid.layer].staffed) return made;
    made.append(node("h4", "", data.texts.responsible));
    made.append(...(grid.people.length ? lines("", grid.people) : [node("p", "main", data.texts.vacant)]));
    const steps = grid.chain.map(({ main, detail }, n) =>
      node("li", n === grid.step ? "here" : "", `${main}${data.texts.colon}${detail}`));
    const chain = node("details", "", node("summary", "", data.texts.chain), node("ol", "", ...steps));
    chain.open = grid.alarm;
    made.append(chain);
    return made;
  }

  const flawCard = (flaw) => node("div", "card", node("h3", "", flaw.title), node("p", "detail", flaw.detail));

  function open(at, grids, flaws = []) {
    const content = node("div", "cards", ...grids.map(card), ...flaws.map(flawCard));
    if (data.lookup_url) {
      const link = node("a", "official", data.texts.lookup);
      const when = data.is_live ? [] : [data.at_local];
      link.href = `${data.lookup_url}#${[at.lng.toFixed(6), at.lat.toFixed(6), ...when]}`;
      content.append(link);
    }
    const popup = L.popup({ maxWidth: Math.min(38 * fontSize(), 0.8 * map.getSize().x), minWidth: 16 * fontSize() * Math.min(grids.length, 2) });
    popup.setLatLng(at).setContent(content);
    const chosen = L.geoJSON(grids.map((grid) => grid.feature), { interactive: false, style: { pane: "chosen", className: "chosen" } });
    popup.on("remove", () => chosen.remove());
    popup.openOn(map);
    chosen.addTo(map);
  }

  const fontSize = () => parseFloat(getComputedStyle(document.documentElement).fontSize);

  function label(grid, strong) {
    const text = node("span", "", node("b", "", grid.name));
    if (grid.alarm) text.append(node("em", "loud", data.texts.nobody_label));
    if (grid.vacant) text.append(node("em", "", data.texts.vacant_label));
    const icon = L.divIcon({ className: strong ? "label strong" : "label", html: text, iconSize: null });
    return L.marker(grid.at, { icon, interactive: false, keyboard: false, pane: `labels-${grid.layer}` });
  }

  /** Returns one network as a layer group: shapes, rings over vacant grids, labels. */
  function network(onMap, index) {
    data ??= JSON.parse(document.getElementById("data").textContent);
    map = onMap;
    Object.entries({ outlines: 440, chosen: 460 }).forEach(([name, zIndex]) => {
      (map.getPane(name) ?? map.createPane(name)).style.zIndex = zIndex;
    });
    const { strong, shapes } = data.layers[index];
    const pane = `network-${index}`;
    map.createPane(pane);
    map.createPane(`labels-${index}`).style.zIndex = strong ? 640 : 630;
    const group = L.featureGroup();
    const grids = [];
    shapes.features.forEach((feature) => {
      const grid = { ...feature.properties, feature, layer: index };
      const looks = `grid state-${grid.state}${strong ? " strong" : ""}`;
      const shape = L.geoJSON(feature, { style: { className: looks, smoothFactor: 0.3, pane } });
      shape.on("add", () => shape.eachLayer((drawn) => gridOf.set(drawn.getElement(), grid)));
      group.addLayer(shape);
      if (grid.vacant) {
        group.addLayer(L.geoJSON(feature, { interactive: false, style: { className: "ringed", smoothFactor: 0.3, pane } }));
      }
      if (strong) { // once more above all fills, which may hide half of a border
        group.addLayer(L.geoJSON(feature, { interactive: false, style: { className: "outline", smoothFactor: 0.3, pane: "outlines" } }));
      }
      grid.bounds = shape.getBounds();
      grid.label = label(grid, strong);
      group.addLayer(grid.label);
      grids.push(grid);
    });
    networks[index] = { group, grids, strong };
    return group;
  }

  /** Draws the faults of the tilings, each with a ring that is seen at any scale. */
  function drawFlaws() {
    map.createPane("flaws").style.zIndex = 450;
    data.flaws.forEach((flaw) => {
      const ring = L.circleMarker(flaw.at, { pane: "flaws", className: "flaw", radius: 0.7 * fontSize() });
      [ring.addTo(map), ...L.geoJSON(flaw.shape, { style: { pane: "flaws", className: "flaw" } }).addTo(map).getLayers()]
        .forEach((drawn) => flawOf.set(drawn.getElement(), flaw));
    });
  }

  /** Hides labels that would cover one another; uncovered grids and strong networks come first. */
  function declutter() {
    const shown = networks.filter((one) => map.hasLayer(one.group));
    const rank = (grid) => (grid.alarm ? 0 : 2) + (networks[grid.layer].strong ? 0 : 1);
    const placed = [];
    shown.flatMap((one) => one.grids).sort((a, b) => rank(a) - rank(b)).forEach((grid) => {
      const element = grid.label.getElement();
      const { offsetWidth: width, offsetHeight: height } = element.firstChild;
      const { x, y } = map.latLngToLayerPoint(grid.at);
      const east = map.latLngToLayerPoint(grid.bounds.getNorthEast());
      const west = map.latLngToLayerPoint(grid.bounds.getSouthWest());
      const isWider = width > (east.x - west.x) * 1.15;
      const middle = isWider ? east.y - height / 2 : y; // the label of a small uncovered grid stands above it
      const box = { left: x - width / 2, right: x + width / 2, top: middle - height / 2, bottom: middle + height / 2 };
      const crowded = (isWider && !grid.alarm) || placed.some((other) =>
        box.left < other.right && box.right > other.left && box.top < other.bottom && box.bottom > other.top);
      element.firstChild.style.marginTop = `${middle - y}px`;
      element.classList.toggle("crowded", crowded);
      if (!crowded) placed.push(box);
    });
  }

  /** Fills one network by the state of duty; the others keep their lines and their alarms, above it. */
  function fill(index) {
    networks.forEach((_, n) => {
      const pane = map.getPane(`network-${n}`);
      pane.style.zIndex = n === index ? 401 : 410 + n;
      pane.classList.toggle("plain", n !== index);
    });
  }

  function goTo(grid) {
    map.fitBounds(grid.bounds.pad(0.6), { animate: false });
    open(L.latLng(grid.at), [grid]);
  }

  /** Finds a grid by its code, its name, or a part of either. */
  function bindFind() {
    const grids = networks.flatMap((one) => one.grids);
    const title = (grid) => `${grid.name} ${grid.code}`;
    document.getElementById("names").append(...grids.map((grid) => new Option(title(grid))));
    document.getElementById("find").addEventListener("change", ({ target }) => {
      const wanted = target.value.trim();
      const found = grids.find((grid) => [grid.code, grid.name, title(grid)].includes(wanted))
        ?? grids.find((grid) => wanted && title(grid).includes(wanted));
      if (found) goTo(found);
    });
  }

  function bindPanel() {
    document.querySelectorAll("input[name=show]").forEach((box) => box.addEventListener("change", () => {
      const { group } = networks[box.value];
      box.checked ? group.addTo(map) : group.remove();
      box.closest("section").classList.toggle("hidden-layer", !box.checked);
      declutter();
    }));
    document.querySelectorAll("input[name=fill]").forEach((radio) =>
      radio.addEventListener("change", () => fill(Number(radio.value))));
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
      const zoomedIn = map.getZoom() > map.getBoundsZoom(data.bounds) + 0.25;
      const view = before ?? map.getBounds();
      before = onPaper ? view : undefined;
      map.closePopup();
      document.documentElement.classList.toggle("sheet", onPaper);
      map.invalidateSize({ animate: false, pan: false });
      map.options.zoomSnap = onPaper ? 0 : 0.25;
      map.fitBounds(onPaper && !zoomedIn ? data.bounds : view, { animate: false, padding: onPaper ? [10, 10] : [0, 0] });
      declutter();
    };
    window.addEventListener("beforeprint", () => refit(true));
    window.addEventListener("afterprint", () => refit(false));
    window.matchMedia("print").addEventListener("change", (media) => refit(media.matches));
  }

  /** Says how old the data of a live page have become. */
  function watchAge() {
    const note = document.getElementById("age");
    const minutes = Math.floor((Date.now() - Date.parse(data.at)) / 60000);
    note.hidden = minutes < data.old_after_min;
    note.textContent = data.texts.age.replace("{n}", minutes);
  }

  function start(ready) {
    map = ready;
    data ??= JSON.parse(document.getElementById("data").textContent);
    map.attributionControl?.setPrefix(false);
    L.control.zoom({ zoomInTitle: data.texts.zoom_in, zoomOutTitle: data.texts.zoom_out }).addTo(map);
    L.control.scale({ imperial: false, maxWidth: 10 * fontSize() }).addTo(map);
    bindPanel();
    bindPaper();
    if (data.is_live) {
      watchAge();
      setInterval(watchAge, 20000);
    }
    if (!networks.length) return;
    map.fitBounds(data.bounds, { padding: [16, 16], animate: false });
    fill(0);
    drawFlaws();
    bindFind();
    declutter();
    map.on("zoomend resize", declutter);
    map.on("click", (event) => {
      const { clientX, clientY } = event.originalEvent;
      const paths = document.elementsFromPoint(clientX, clientY);
      const grids = paths.map((path) => gridOf.get(path)).filter(Boolean);
      const flaws = new Set(paths.map((path) => flawOf.get(path)).filter(Boolean));
      if (grids.length || flaws.size) open(event.latlng, grids.sort((a, b) => a.layer - b.layer), [...flaws]);
    });
  }

  return { network, start };
})();

document.addEventListener("DOMContentLoaded", () => twingrid.start(map_grids));
