"use strict";
/* The look-up form and its answer. Text of the answer enters as text nodes only, never as markup. */

(() => {
  const { lang, zone, texts } = JSON.parse(document.getElementById("settings").textContent);
  const MOST_NAMES = 4; // of a crew, which is otherwise counted
  const answer = document.getElementById("answer");
  const form = document.getElementById("place");

  const say = (key, values = {}) =>
    (texts[key] ?? key).replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);

  function node(tag, className, ...children) {
    const made = document.createElement(tag);
    if (className) made.className = className;
    made.append(...children.filter((child) => child !== null && child !== ""));
    return made;
  }

  const dayOf = (at) => new Intl.DateTimeFormat("sv", { timeZone: zone, dateStyle: "short" }).format(at);
  const timeOf = (at) => new Intl.DateTimeFormat("sv", { timeZone: zone, timeStyle: "short" }).format(at);

  /** Returns local time, with the date where it is not the day asked for. */
  function clock(text, asked) {
    const at = new Date(text);
    return dayOf(at) === dayOf(asked) ? timeOf(at) : `${dayOf(at)} ${timeOf(at)}`;
  }

  function phone(number) {
    const link = node("a", "", number);
    link.href = `tel:${number.replace(/[^\d+]/g, "")}`;
    return link;
  }

  /** Puts ` · ` between the parts that there are. */
  function joined(...parts) {
    return parts.filter(Boolean).flatMap((part, n) => (n ? ["\u00a0· ", part] : [part]));
  }

  function responder(one, asked) {
    const until = one.on_duty && one.until ? say("answer.until", { time: clock(one.until, asked) }).replaceAll(" ", "\u00a0") : null;
    const name = one.call_sign && one.call_sign !== one.name ? one.name : null;
    const { length } = one.members;
    const crew = length > MOST_NAMES ? say("answer.crew", { n: length }) : one.members.map((member) => member.name).join(" ");
    const radio = one.radio ? say("answer.radio", { group: one.radio }) : null;
    const number = one.kind === "officer" ? one.number : null;
    const unit = one.kind === "desk" && one.unit === one.name ? null : one.unit;
    const details = joined(until, name, number, unit, radio, one.vehicle, one.phone && phone(one.phone), crew);
    return node("div", "now", node("b", "", one.call_sign ?? one.name), node("span", "", ...details));
  }

  function responsible(held) {
    const { name, number, kind, duty_phone } = held.officer;
    const away = held.away ? node("span", "away", say("answer.away", { reason: say(`map.leave.${held.away}`) })) : null;
    const details = joined(say(`map.role.${held.role}`), say(`map.officer.${kind}`), number, duty_phone && phone(duty_phone), away);
    return node("li", "", node("b", "", name), " ", node("span", "", ...details));
  }

  function step(one, isFirst) {
    const who = one.responders.map((each) => each.call_sign ?? each.name).join(say("answer.comma")) || one.reason;
    return node("li", isFirst ? "here" : "", `${one.title}${say("answer.colon")}${who}`);
  }

  function layer(one, asked) {
    const isStaffed = one.chain.length > 0;
    const isAlarm = isStaffed && !one.on_duty;
    const made = node("article", isAlarm ? "alarm" : "", node("h3", "", one.title));
    if (one.grid) {
      made.append(node("p", "grid", one.grid.name, " ", node("small", "", one.grid.code)));
      made.append(node("p", "units", one.units.map((unit) => unit.name).join(" → ")));
      const desk = one.units.find((unit) => unit.desk);
      if (desk) made.append(node("p", "units", ...joined(desk.desk, desk.phone && phone(desk.phone), desk.radio && say("answer.radio", { group: desk.radio }))));
    }
    const alarm = say("lookup.nobody-on-duty");
    if (isAlarm) made.append(node("p", "warning loud", alarm));
    made.append(...one.warnings.filter((text) => text !== alarm).map((text) => node("p", "warning", text)));
    if (!one.grid) return made;
    const first = one.chain.find((each) => each.step === one.responds_now);
    if (isStaffed) {
      made.append(node("h4", "", say(isAlarm ? "answer.call" : "answer.now"), first ? ` · ${first.title}` : ""));
      made.append(...(first ? first.responders.map((each) => responder(each, asked)) : [node("p", "", say("answer.no-one"))]));
    }
    if (one.responsible.length) {
      made.append(node("h4", "", say("answer.responsible")), node("ul", "people", ...one.responsible.map(responsible)));
    }
    if (isStaffed) {
      const chain = one.chain.map((each) => step(each, each === first));
      const details = node("details", "", node("summary", "", say("answer.chain")), node("ol", "", ...chain));
      details.open = isAlarm;
      made.append(details);
    }
    return made;
  }

  function show(found) {
    const asked = new Date(found.at);
    const change = found.next_change_at ? say("answer.next-change", { at: clock(found.next_change_at, asked) }) : null;
    const place = `${found.place.lon}, ${found.place.lat}`;
    answer.replaceChildren(
      node("p", "when", ...joined(place, `${dayOf(asked)} ${timeOf(asked)}`, change)),
      node("div", "layers", ...found.layers.map((one) => layer(one, asked))),
    );
  }

  function showProblem(problem) {
    const faults = (problem.faults ?? []).map((fault) => node("p", "", node("b", "", fault.where), ` ${fault.detail}`));
    answer.replaceChildren(node("div", "problem", node("p", "", node("b", "", problem.title)), node("p", "", problem.detail), ...faults));
  }

  /** Returns the instant of a wall-clock time, `2025-03-05T14:05`, in the deployment's zone. */
  function instant(local) {
    const guess = new Date(`${local}Z`);
    const shown = new Date(`${dayOf(guess)}T${timeOf(guess)}Z`);
    return new Date(2 * guess - shown).toISOString();
  }

  async function ask() {
    const { lon, lat, at } = Object.fromEntries(new FormData(form));
    const question = new URLSearchParams({ lon: lon.trim(), lat: lat.trim(), lang, ...(at && { at: instant(at) }) });
    answer.setAttribute("aria-busy", "true");
    try {
      const reply = await fetch(`/lookup?${question}`);
      const body = await reply.json();
      reply.ok ? show(body) : showProblem(body);
    } catch {
      showProblem({ title: say("answer.unreachable"), detail: "" });
    }
    answer.removeAttribute("aria-busy");
  }

  function fillIn(lon, lat, at = form.elements.at.value) {
    form.elements.lon.value = lon;
    form.elements.lat.value = lat;
    form.elements.at.value = at;
  }

  /** A place in the address, `#120.27,30.3` or `#120.27,30.3,2025-03-05T14:05`, is looked up at once: maps link here. */
  function readAddress() {
    const [lon, lat, at] = location.hash.slice(1).split(",");
    if (!lat || Number.isNaN(Number(lon)) || Number.isNaN(Number(lat))) return;
    fillIn(lon, lat, at);
    ask();
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    ask();
  });
  form.elements.lon.addEventListener("paste", (event) => {
    const pasted = event.clipboardData.getData("text").trim().split(/[\s,，;]+/);
    if (pasted.length !== 2) return;
    event.preventDefault();
    fillIn(...pasted);
  });
  document.getElementById("example")?.addEventListener("click", ({ currentTarget }) => {
    fillIn(currentTarget.dataset.lon, currentTarget.dataset.lat);
    ask();
  });
  document.getElementById("person")?.addEventListener("change", async ({ currentTarget }) => {
    const reply = await fetch(`/demo/switch?lang=${lang}`, { method: "POST", body: new URLSearchParams({ name: currentTarget.value }) });
    if (reply.ok) location.reload();
    else showProblem(await reply.json());
  });
  window.addEventListener("hashchange", readAddress);
  readAddress();
})();
