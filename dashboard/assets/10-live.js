// What arrives from the server, how old it is, and what to do when nothing arrives.
"use strict";

(() => {
  const STALE_S = 10; // the recorder was silent this long
  const SILENT_S = 13; // the server was silent this long: it beats every 4 s
  const SETTLE_S = 6; // the server answers again, but this page's connection has not come back: load it anew
  const LONGEST_WAIT_S = 30;

  const laddvakt = (window.laddvakt = window.laddvakt || {});
  const started = performance.now();
  const state = { data: null, at: null, drop: false, probe: null, wait: 1, answeredAt: null, version: null };
  laddvakt.listeners = []; // functions that draw; each is called with the newest data

  const byId = (id) => document.getElementById(id);
  const seconds = () => performance.now() / 1000;

  // The server's clock: the one of this machine may be wrong.
  laddvakt.now = () => (state.data ? state.serverMs + (performance.now() - state.at) : Date.now());
  laddvakt.zone = () => (state.data ? state.data.health.about.zone : undefined);
  laddvakt.data = () => state.data;

  laddvakt.ago = (iso) => {
    const whole = Math.max(0, Math.floor((laddvakt.now() - Date.parse(iso)) / 1000));
    if (whole < 60) return `${whole}\u00a0s`;
    const minutes = Math.floor(whole / 60);
    if (minutes < 60) return `${minutes}\u00a0min`;
    const hours = Math.floor(minutes / 60);
    if (hours < 48) return `${hours}\u00a0h ${String(minutes % 60).padStart(2, "0")}`;
    return `${Math.floor(hours / 24)}\u00a0d ${hours % 24}\u00a0h`;
  };

  laddvakt.clock = (ms, withSeconds) =>
    new Intl.DateTimeFormat("sv-SE", {
      timeZone: laddvakt.zone(),
      hour: "2-digit",
      minute: "2-digit",
      ...(withSeconds ? { second: "2-digit" } : {}),
    }).format(ms);

  const say = (id, text) => {
    const banner = byId(id);
    if (!banner) return;
    if (banner.hidden === !text && banner.textContent === text) return;
    banner.textContent = text;
    banner.hidden = !text;
  };

  function receive(data) {
    state.data = data;
    state.at = performance.now();
    state.serverMs = Date.parse(data.now);
    state.drop = false;
    state.answeredAt = null;
    const version = data.health.about.version;
    if (state.version && state.version !== version) window.location.reload(); // another release: its own page
    state.version = version;
    for (const draw of laddvakt.listeners) draw(data);
    document.body.dataset.beat = data.beat;
    watch();
  }

  function watch() {
    const quiet = (performance.now() - (state.at ?? started)) / 1000;
    const lost = state.drop || quiet > SILENT_S;
    document.body.classList.toggle("is-lost", lost);
    if (lost) {
      const since = state.at === null ? "" : ` Last heard at ${laddvakt.clock(laddvakt.now() - quiet * 1000, true)}.`;
      say("banner-lost", `Connection to the server lost.${since} Reconnecting…`);
      say("banner-stale", "");
      document.body.classList.remove("is-stale");
      recover();
      return;
    }
    stopRecovery();
    say("banner-lost", "");
    stale();
  }

  function stale() {
    if (!state.data) return;
    const pulse = state.data.health.pulse;
    const age = Math.floor((laddvakt.now() - Date.parse(pulse.at ?? pulse.since)) / 1000);
    const behind = pulse.lag_s > STALE_S;
    document.body.classList.toggle("is-stale", age > STALE_S || behind);
    if (age <= STALE_S) {
      const lag = Math.round(pulse.lag_s);
      return say("banner-stale", behind ? `Data is ${lag}\u00a0s behind: the recorder is catching up.` : "");
    }
    say(
      "banner-stale",
      pulse.at
        ? `Data is ${laddvakt.ago(pulse.at)} old: the recorder has said nothing since ${laddvakt.clock(Date.parse(pulse.at), true)}.`
        : `No live data: the recorder has said nothing for ${laddvakt.ago(pulse.since)}.`,
    );
  }

  // Recovery: ask whether the server lives, ever more rarely. Dash reconnects by itself for a while; where that
  // does not bring data back, the page is loaded anew, and only once the server answers.
  function recover() {
    if (state.probe !== null) return;
    state.probe = window.setTimeout(probe, state.wait * 1000);
  }

  async function probe() {
    try {
      const answer = await fetch("/healthz", { cache: "no-store", signal: AbortSignal.timeout(5000) });
      if (!answer.ok) throw new Error(`answered ${answer.status}`);
      state.wait = 1;
      state.answeredAt = state.answeredAt ?? seconds();
      if (seconds() - state.answeredAt > SETTLE_S) {
        window.location.reload();
        return;
      }
    } catch {
      state.answeredAt = null;
      state.wait = Math.min(LONGEST_WAIT_S, state.wait * 2) * (0.8 + 0.4 * Math.random());
    }
    state.probe = null;
    watch();
  }

  function stopRecovery() {
    if (state.probe !== null) window.clearTimeout(state.probe);
    state.probe = null;
    state.wait = 1;
    state.answeredAt = null;
  }

  document.addEventListener("laddvakt:disconnected", () => {
    state.drop = true;
    watch();
  });
  document.addEventListener("laddvakt:connected", () => watch()); // the first data clears the banner
  window.addEventListener("online", () => watch());
  window.setInterval(() => {
    watch();
    for (const place of document.querySelectorAll("[data-since]")) {
      const text = laddvakt.ago(place.dataset.since);
      if (place.textContent !== text) place.textContent = text;
    }
    const clock = byId("wall-clock");
    if (clock && state.data) {
      const text = laddvakt.clock(laddvakt.now());
      if (clock.textContent !== text) clock.textContent = text;
    }
  }, 1000);

  // The store is read, not made the Input of a callback: Dash keeps every former value of an Input, to undo it, and
  // a wall that runs for weeks would keep every push.
  document.addEventListener("laddvakt:pushed", () => {
    const store = window.dash_component_api?.getLayout("live");
    if (store?.props?.data && store.props.data !== state.data) receive(store.props.data);
  });
})();
