"use strict";
/* Finds a grid among thousands by its code, its name, or a part of either. */

const finder = (() => {
  const MOST_FOUND = 8;

  /** Returns the grids that suit best: the code or name itself, then what begins so, then what contains it. */
  function search(grids, wanted) {
    const text = wanted.trim().toLowerCase();
    if (!text) return [];
    const rank = ({ code, name }) => {
      const both = [code.toLowerCase(), name.toLowerCase()];
      if (both.includes(text) || `${both[1]} ${both[0]}` === text) return 0;
      if (both.some((one) => one.startsWith(text))) return 1;
      return both.some((one) => one.includes(text)) ? 2 : 3;
    };
    return grids.map((grid) => [rank(grid), grid]).filter(([found]) => found < 3).sort((a, b) => a[0] - b[0]).map(([, grid]) => grid);
  }

  /** Lists what is found under the field; Enter takes the first. */
  function bind(grids, { texts, layers }, goTo) {
    const field = document.getElementById("find"), list = document.getElementById("found");
    const said = document.getElementById("found-count");
    const take = (grid) => {
      list.replaceChildren();
      said.textContent = "";
      goTo(grid);
    };
    const show = () => {
      const found = search(grids, field.value);
      list.replaceChildren(...found.slice(0, MOST_FOUND).map((grid) => {
        const button = node("button", "", node("b", "", grid.name), " ", node("small", "", `${grid.code} · ${layers[grid.layer].title}`));
        button.type = "button";
        button.addEventListener("click", () => take(grid));
        return node("li", "", button);
      }));
      said.textContent = !field.value.trim() ? "" : found.length ? texts.found.replace("{n}", found.length) : texts.not_found;
    };
    field.addEventListener("input", show);
    field.addEventListener("keydown", ({ key }) => {
      if (key !== "Enter") return;
      const [first] = search(grids, field.value);
      if (first) take(first);
    });
  }

  return { bind };
})();
