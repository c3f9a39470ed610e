"use strict";
/* The shapes in the page: borders are arcs in the plane of the map at zoom 0, a grid's rings go along arcs. */

const shapes = (() => {
  const DIGITS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
  const valueOf = new Uint8Array(128);
  [...DIGITS].forEach((digit, value) => { valueOf[digit.charCodeAt(0)] = value; });

  /** Returns the whole numbers that maps/compact.py wrote. */
  function decode(text) {
    const numbers = new Int32Array(text.length);
    let count = 0, number = 0, shift = 0;
    for (let n = 0; n < text.length; n += 1) {
      const digit = valueOf[text.charCodeAt(n)];
      number |= (digit & 31) << shift;
      shift += 5;
      if (digit & 32) continue;
      numbers[count++] = number & 1 ? -(number >>> 1) - 1 : number >>> 1;
      number = shift = 0;
    }
    return numbers.slice(0, count);
  }

  /** Returns points, x before y, of the differences to the point before. */
  function decodePoints(text) {
    const points = decode(text);
    for (let n = 2; n < points.length; n += 1) points[n] += points[n - 2];
    return points;
  }

  /** Returns the arcs: where each begins, its points in degrees and in the plane, and its box there. */
  function decodeArcs({ lengths, steps }, unitsPerDegree) {
    const lonlat = Float64Array.from(decodePoints(steps), (units) => units / unitsPerDegree);
    const begins = new Uint32Array([0, ...decode(lengths)]);
    for (let n = 1; n < begins.length; n += 1) begins[n] += begins[n - 1];
    const xy = new Float64Array(lonlat.length);
    for (let n = 0; n < xy.length; n += 2) {
      const { x, y } = L.CRS.EPSG3857.latLngToPoint(L.latLng(lonlat[n + 1], lonlat[n]), 0);
      xy[n] = x;
      xy[n + 1] = y;
    }
    const boxes = Array.from({ length: begins.length - 1 }, (_, arc) => {
      const box = emptyBox();
      for (let n = 2 * begins[arc]; n < 2 * begins[arc + 1]; n += 2) widen(box, xy[n], xy[n + 1], xy[n], xy[n + 1]);
      return box;
    });
    return { lonlat, begins, xy, boxes };
  }

  /** Returns, by grid, its rings: twice the number of each arc, plus one where it is gone along backwards. */
  function decodeRings(text) {
    const numbers = decode(text);
    const grids = [];
    for (let at = 0; at < numbers.length;) {
      const rings = Array.from({ length: numbers[at++] }, () => {
        const ring = numbers.subarray(at + 1, at + 1 + numbers[at]);
        at += 1 + ring.length;
        return ring;
      });
      grids.push(rings);
    }
    return grids;
  }

  const emptyBox = () => ({ left: Infinity, top: Infinity, right: -Infinity, bottom: -Infinity });

  function widen(box, left, top, right, bottom) {
    if (left < box.left) box.left = left;
    if (top < box.top) box.top = top;
    if (right > box.right) box.right = right;
    if (bottom > box.bottom) box.bottom = bottom;
  }

  const meet = (a, b) => a.left <= b.right && a.right >= b.left && a.top <= b.bottom && a.bottom >= b.top;

  function boxOf(rings, arcs) {
    const box = emptyBox();
    rings.forEach((ring) => ring.forEach((step) => {
      const { left, top, right, bottom } = arcs.boxes[step >> 1];
      widen(box, left, top, right, bottom);
    }));
    return box;
  }

  /** Calls `visit(n)` for the points of a ring in turn; a point where two arcs meet comes twice. */
  function goAlong(ring, begins, visit) {
    for (const step of ring) {
      const first = begins[step >> 1], last = begins[(step >> 1) + 1] - 1;
      if (step & 1) for (let n = last; n >= first; n -= 1) visit(n);
      else for (let n = first; n <= last; n += 1) visit(n);
    }
  }

  /** Returns whether a place of the plane is inside a grid: an odd number of borders lies to its right. */
  function contains(grid, x, y, { begins, xy }) {
    const { box } = grid;
    if (x < box.left || x > box.right || y < box.top || y > box.bottom) return false;
    let inside = false;
    grid.rings.forEach((ring) => {
      let before = -1;
      goAlong(ring, begins, (n) => {
        if (before >= 0) {
          const ax = xy[2 * before], ay = xy[2 * before + 1], bx = xy[2 * n], by = xy[2 * n + 1];
          if ((ay > y) !== (by > y) && x < ax + ((bx - ax) * (y - ay)) / (by - ay)) inside = !inside;
        }
        before = n;
      });
    });
    return inside;
  }

  /** Returns a grid's rings as Leaflet's places. */
  function placesOf(grid, { begins, lonlat }) {
    return grid.rings.map((ring) => {
      const places = [];
      goAlong(ring, begins, (n) => places.push([lonlat[2 * n + 1], lonlat[2 * n]]));
      return places;
    });
  }

  return { decodePoints, decodeArcs, decodeRings, boxOf, meet, contains, placesOf };
})();
