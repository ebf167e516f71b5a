// Draws the wall from the live data: keyed by station and ticket, touching only what changed.
"use strict";

(() => {
  const laddvakt = window.laddvakt;
  const TICKETS_SHOWN = 40;
  const DENSITIES = ["roomy", "medium", "compact", "dense", "tiny"];
  const SEVERITIES = ["P1", "P2", "P3", "P4"];

  const tiles = new Map(); // station -> {node, view}
  const cards = new Map(); // ticket -> {node, view}
  const sites = new Map(); // site -> {node, list, name}
  let known = null; // tickets already announced
  let shape = "";

  function make(tag, className, text) {
    const node = document.createElement(tag);
    if (className) node.className = className;
    if (text !== undefined) node.textContent = text;
    return node;
  }

  const icon = (name) => {
    const node = make("span", `icon icon-${name}`);
    node.setAttribute("aria-hidden", "true");
    return node;
  };

  function since(iso) {
    const node = make("span", "since", laddvakt.ago(iso));
    node.dataset.since = iso;
    return node;
  }

  function fillTile(node, view) {
    node.className = `tile state-${view.state}${view.ticket ? ` has-ticket ticket-${view.ticket}` : ""}`;
    node.href = `/stations?station=${encodeURIComponent(view.id)}`;
    node.setAttribute("aria-label", view.label);
    const top = make("span", "tile-top");
    top.append(icon(view.icon), make("span", "tile-name", view.id));
    const word = make("span", "tile-word", view.word);
    const live = view.sessions && !view.down; // a fault stands before the session that it may have stopped
    if (live) top.append(word);
    if (view.ticket) top.append(make("span", `chip sev-${view.ticket}`, view.ticket));
    const main = make("span", "tile-main");
    if (!live) main.append(word);
    if (view.sessions) {
      const power = make("span", "tile-kw", view.kw);
      power.append(make("span", "unit", "kW"));
      main.append(power);
    }
    if (live && view.soc !== null) main.append(soc(view.soc));
    const line = make("span", "tile-line");
    if (live) {
      line.append(make("span", "", view.kwh), make("span", "tile-cost", view.cost), since(view.since));
    } else {
      line.append(make("span", "tile-note", view.note));
    }
    node.replaceChildren(top, main, line);
  }

  function soc(percent) {
    const node = make("span", "soc");
    const bar = make("span", "soc-bar");
    const fill = make("span", "soc-fill");
    fill.style.width = `${percent}%`;
    bar.append(fill);
    node.append(bar, make("span", "soc-text", `${percent}\u00a0%`));
    return node;
  }

  function drawSites(data, root) {
    const named = data.sites;
    const wanted = new Map();
    for (const view of Object.values(data.stations)) {
      if (!wanted.has(view.site)) wanted.set(view.site, []);
      wanted.get(view.site).push(view);
    }
    const nameOf = (id) => (named[id] ? named[id].name : id || "No site");
    const order = [...wanted.keys()].sort((a, b) => nameOf(a).localeCompare(nameOf(b)));
    const newShape = JSON.stringify(order.map((id) => [id, nameOf(id), wanted.get(id).map((view) => view.id).sort()]));
    for (const id of [...tiles.keys()]) if (!data.stations[id]) tiles.delete(id);
    for (const view of Object.values(data.stations)) {
      const tile = tiles.get(view.id) ?? { node: document.createElement("a"), view: null };
      if (tile.view !== view) {
        fillTile(tile.node, view);
        tile.view = view;
      }
      tiles.set(view.id, tile);
    }
    drawSums(order, wanted);
    if (newShape === shape && root.childElementCount) return;
    shape = newShape;
    sites.clear();
    root.replaceChildren(
      ...order.map((id) => {
        const section = make("section", "site");
        section.setAttribute("aria-label", nameOf(id));
        section.style.setProperty("--n", wanted.get(id).length);
        const head = make("header", "site-head");
        const sum = make("span", "site-sum");
        head.append(make("h2", "site-name", nameOf(id)), sum);
        const list = make("div", "tile-grid");
        const views = wanted.get(id).sort((a, b) => a.id.localeCompare(b.id, undefined, { numeric: true }));
        list.append(...views.map((view) => tiles.get(view.id).node));
        section.append(head, list);
        sites.set(id, { sum });
        return section;
      }),
    );
    drawSums(order, wanted);
    fit();
  }

  function drawSums(order, wanted) {
    for (const id of order) {
      const site = sites.get(id);
      if (!site) continue;
      const views = wanted.get(id);
      const down = views.filter((view) => ["faulted", "offline", "unavailable", "unknown"].includes(view.state)).length;
      const busy = views.filter((view) => view.state === "charging").length;
      const text = `${views.length - down} of ${views.length} up · ${busy} charging`;
      if (site.sum.textContent !== text) site.sum.textContent = text;
    }
  }

  // The roomiest tiles with which every station is in sight; the densest may scroll.
  function fit() {
    const root = document.getElementById("wall-sites");
    if (!root) return;
    for (const density of DENSITIES) {
      root.dataset.density = density;
      if (root.scrollHeight <= root.clientHeight + 1) return;
    }
  }

  function drawTotals(totals) {
    if (!totals) return;
    const put = (name, parts) => {
      const node = document.getElementById(`total-${name}`);
      if (!node) return;
      const text = parts.map(([value, unit]) => `${value} ${unit}`).join("\n");
      if (node.dataset.text === text) return;
      node.dataset.text = text;
      node.replaceChildren(
        ...parts.map(([value, unit]) => {
          const item = make("span", "total-part", value);
          item.append(make("span", "unit", unit));
          return item;
        }),
      );
    };
    put("up", [[totals.up, `of ${totals.stations}`]]);
    put("charging", [[totals.charging, totals.charging === 1 ? "station" : "stations"]]);
    put("kw", [[totals.kw, "kW"]]);
    put("kwh", [[totals.kwh, "kWh"]]);
    put("revenue", totals.revenue);
    document.querySelector(".total-up")?.classList.toggle("is-down", totals.up < totals.stations);
  }

  const rank = (a, b) => a.severity.localeCompare(b.severity) || Date.parse(b.since) - Date.parse(a.since);

  function fillCard(node, view) {
    node.className = `ticket sev-${view.severity} ticket-${view.state}`;
    const link = make("a", "ticket-link");
    link.href = `/tickets?ticket=${encodeURIComponent(view.id)}`;
    const top = make("span", "ticket-top");
    top.append(
      make("span", `chip sev-${view.severity}`, `${view.severity} ${view.word}`),
      make("span", "ticket-title", view.title),
      since(view.since),
    );
    const who = view.state === "open" ? view.state_word : `${view.state_word}${view.assignee ? `: ${view.assignee}` : ""}`;
    const under = make("span", "ticket-under");
    under.append(make("span", "ticket-asset", view.asset), make("span", "ticket-state", who));
    link.append(top, under, make("span", "ticket-cause", view.cause));
    node.replaceChildren(link);
  }

  function drawTickets(tickets, list) {
    const all = Object.values(tickets).sort(rank);
    for (const id of [...cards.keys()]) if (!tickets[id]) cards.delete(id);
    const nodes = all.slice(0, TICKETS_SHOWN).map((view) => {
      const card = cards.get(view.id) ?? { node: document.createElement("li"), view: null };
      if (card.view !== view) {
        fillCard(card.node, view);
        card.view = view;
      }
      cards.set(view.id, card);
      return card.node;
    });
    if (all.length > TICKETS_SHOWN) {
      const more = make("li", "ticket-more");
      const link = make("a", "", `${all.length - TICKETS_SHOWN} more tickets`);
      link.href = "/tickets";
      more.append(link);
      nodes.push(more);
    }
    const same = nodes.length === list.children.length && nodes.every((node, at) => node === list.children[at]);
    if (!same) list.replaceChildren(...nodes);
    document.getElementById("no-tickets").hidden = all.length > 0;
    const counts = document.getElementById("ticket-counts");
    const text = SEVERITIES.map((name) => all.filter((view) => view.severity === name).length).join(",");
    if (counts.dataset.text !== text) {
      counts.dataset.text = text;
      counts.replaceChildren(
        ...SEVERITIES.map((name) => {
          const number = all.filter((view) => view.severity === name).length;
          const chip = make("span", `count sev-${name}${number ? "" : " none"}`, `${name} `);
          chip.append(make("b", "", number));
          return chip;
        }),
      );
    }
    announce(all);
  }

  function announce(all) {
    const fresh = known === null ? [] : all.filter((view) => !known.has(view.id));
    known = new Set(all.map((view) => view.id));
    const place = document.getElementById("announcer");
    if (!fresh.length || !place) return;
    place.textContent = fresh.map((view) => `New ${view.severity} ticket: ${view.title}, ${view.asset}`).join(". ");
  }

  laddvakt.listeners.push((data) => {
    const root = document.getElementById("wall-sites");
    const list = document.getElementById("wall-tickets");
    if (!root || !list || !data.stations) return;
    drawSites(data, root);
    drawTickets(data.tickets, list);
    drawTotals(data.totals.now);
  });

  // The page's frame may arrive after the first data.
  new MutationObserver((_changes, observer) => {
    if (!document.getElementById("wall-sites")) return;
    observer.disconnect();
    const data = laddvakt.data();
    if (data) for (const draw of laddvakt.listeners) draw(data);
  }).observe(document.documentElement, { childList: true, subtree: true });

  let resizing = null;
  window.addEventListener("resize", () => {
    window.clearTimeout(resizing);
    resizing = window.setTimeout(fit, 150);
  });
})();
