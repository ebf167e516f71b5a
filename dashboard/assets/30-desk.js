// Desk pages: how tables show values, what chosen rows do, and live changes in tables.
"use strict";

(() => {
  const THIN = "\u202f";

  // Functions for value formatters of AG Grid.
  window.dashAgGridFunctions = window.dashAgGridFunctions || {};
  window.dashAgGridFunctions.laddvaktNumber = (value, places) => {
    if (value === null || value === undefined) return "–";
    const [whole, part] = Number(value).toFixed(places).split(".");
    const grouped = whole.replace(/\B(?=(\d{3})+$)/g, THIN);
    return part ? `${grouped}.${part}` : grouped;
  };
  window.dashAgGridFunctions.laddvaktDuration = (seconds) => {
    if (seconds === null || seconds === undefined) return "–";
    const minutes = Math.floor(seconds / 60);
    if (minutes < 60) return `${minutes}\u00a0min`;
    return `${Math.floor(minutes / 60)}\u00a0h ${String(minutes % 60).padStart(2, "0")}\u00a0min`;
  };

  // Cell renderers of AG Grid: an icon and a word, never colour alone.
  const STATE_ICONS = {
    charging: ["bolt", "blue"],
    active: ["bolt", "blue"],
    available: ["ring", "teal"],
    occupied: ["plug", "violet"],
    suspended: ["plug", "violet"],
    faulted: ["alert", "red"],
    offline: ["offline", "orange"],
    unavailable: ["bar", "gray"],
    unknown: ["question", "gray"],
    ended: ["check", "gray"],
  };
  const QUALITY_ICONS = { confirmed: ["check", "teal"], estimated: ["eye", "yellow"], suspect: ["alert", "red"] };

  const cells = (window.dashAgGridComponentFunctions = window.dashAgGridComponentFunctions || {});
  const badge = ([icon, colour], word) =>
    window.React.createElement(
      "span",
      { className: `badge badge-${colour}` },
      window.React.createElement("span", { className: `icon icon-${icon}`, "aria-hidden": "true" }),
      word,
    );
  cells.LaddvaktState = (cell) => badge(STATE_ICONS[cell.data.state] ?? ["question", "gray"], cell.value);
  cells.LaddvaktQuality = (cell) =>
    badge(QUALITY_ICONS[cell.data.quality_code] ?? ["question", "gray"], cell.value);
  cells.LaddvaktSeverity = (cell) =>
    cell.value ? window.React.createElement("span", { className: `chip sev-${cell.value}` }, cell.value) : "";

  const apiOf = (name) => {
    try {
      return window.dash_ag_grid ? window.dash_ag_grid.getApi(name) : null;
    } catch {
      return null; // the table is not there yet
    }
  };

  // The keys whose value is another object than last time: the server's patches change nothing else.
  function differing(before, now) {
    return Object.keys(now).filter((key) => !before || before[key] !== now[key]);
  }

  let sessionsAtFirst = null; // what ran when the page came: the table's own filter has decided about these
  let sessionsBefore = null;
  let stationsBefore = null;
  let ticketsBefore = null;
  const skip = () => window.dash_clientside.no_update;
  const prop = (id, name) => window.dash_component_api.getLayout(id)?.props?.[name];

  // Sessions that change while one looks: known rows are renewed, new ones come in on top when they fit.
  function drawSessions(data) {
    if (!data.sessions || data.sessions === sessionsBefore) return;
    sessionsAtFirst = sessionsAtFirst ?? data.sessions;
    const api = apiOf("sessions-grid");
    if (!api) return;
    const state = prop("sessions-state", "value");
    const station = prop("sessions-station", "value");
    const transaction = { add: [], update: [], remove: [] };
    for (const key of differing(sessionsBefore, data.sessions)) {
      const row = data.sessions[key];
      const known = Boolean(api.getRowNode(key));
      const fits = (state === "all" || state === row.state) && (!station || station === row.station);
      if (known) transaction[fits ? "update" : "remove"].push(row);
      else if (fits && !(key in sessionsAtFirst)) transaction.add.push(row);
    }
    sessionsBefore = data.sessions;
    api.applyTransactionAsync(transaction);
  }

  function drawStations(data) {
    if (!data.stations || data.stations === stationsBefore) return;
    const api = apiOf("stations-grid");
    if (!api) return;
    const update = [];
    for (const key of differing(stationsBefore, data.stations)) {
      const node = api.getRowNode(key);
      const view = data.stations[key];
      if (node) update.push({ ...node.data, state: view.state, state_word: view.word, severity: view.ticket ?? "" });
    }
    stationsBefore = data.stations;
    api.applyTransactionAsync({ update });
  }

  // The tickets page asks for its list anew when a ticket changed.
  function tellTickets(data) {
    if (!data.tickets || data.tickets === ticketsBefore || !document.getElementById("tickets-page")) return;
    ticketsBefore = data.tickets;
    window.dash_clientside.set_props("tickets-news", { data: data.now });
  }

  window.laddvakt.listeners.push(drawSessions, drawStations, tellTickets);

  window.dash_clientside = window.dash_clientside || {};
  window.dash_clientside.laddvakt = {
    chosenRow(rows) {
      return rows && rows.length ? rows[0].id : null;
    },

    drawerClosed(opened) {
      return opened ? skip() : true;
    },
  };

  // A ticket is chosen in place, without loading the page anew; the address and the back button know it.
  function choose(ticket) {
    document.getElementById("tickets-page")?.classList.toggle("has-choice", Boolean(ticket));
    window.dash_clientside.set_props("ticket-chosen", { data: ticket || null });
    window.dash_clientside.set_props("ticket-message", { children: "" });
    if (ticket) document.querySelector(".ticket-pane")?.scrollTo(0, 0);
  }

  document.addEventListener("click", (event) => {
    const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey;
    if (!plain || !document.getElementById("tickets-page")) return;
    const link = event.target.closest("a[data-ticket], a.back-link");
    if (!link) return;
    event.preventDefault();
    window.history.pushState({}, "", link.href);
    choose(link.dataset.ticket);
    window.scrollTo(0, 0);
  });

  window.addEventListener("popstate", () => {
    if (document.getElementById("tickets-page")) choose(new URL(window.location.href).searchParams.get("ticket"));
  });
})();
