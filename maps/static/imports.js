"use strict";
/* Sending a file and committing an import. What is said of them is drawn by the server; faults enter as text only. */

(() => {
  const { lang, unreachable } = JSON.parse(document.getElementById("settings").textContent);
  const problem = document.getElementById("problem");
  const form = document.getElementById("send");
  const subject = document.getElementById("subject");
  const commit = document.getElementById("commit");

  function show({ title, detail, faults = [] }) {
    const lines = faults.map((fault) => node("p", "", node("b", "", fault.where), ` ${fault.detail}`));
    problem.replaceChildren(node("p", "", node("b", "", title), ` ${detail}`), ...lines);
    problem.scrollIntoView({ block: "nearest" });
  }

  /** Posts something, and shows the import that the answer names. */
  async function post(path, body, button) {
    button.disabled = true;
    problem.replaceChildren();
    try {
      const reply = await fetch(`${path}?lang=${lang}`, { method: "POST", body });
      const told = await reply.json();
      if (reply.ok) {
        location.assign(`/imports?lang=${lang}&id=${told.id}`);
        return;
      }
      show(told);
    } catch {
      show({ title: unreachable, detail: "" });
    }
    button.disabled = false;
  }

  function showFields() {
    const isGrids = subject.value === "grids";
    for (const [name, isShown] of [[".of-grids", isGrids], [".of-rows", !isGrids]]) {
      for (const field of form.querySelectorAll(name)) {
        field.hidden = !isShown;
        for (const input of field.querySelectorAll("input, select, textarea")) input.disabled = !isShown;
      }
    }
    form.elements.layer.required = isGrids;
  }

  subject?.addEventListener("change", showFields);
  form?.addEventListener("submit", (event) => {
    event.preventDefault();
    post(`/imports/${subject.value}`, new FormData(form), event.submitter);
  });
  commit?.addEventListener("click", () => post(commit.dataset.path, null, commit));
  if (subject) showFields();
})();
