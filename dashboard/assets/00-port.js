// One websocket per tab instead of one per browser, and news about it.
//
// Dash keeps its websocket in a SharedWorker. A shared one outlives tabs that were closed or reloaded, so the
// server goes on pushing to nobody; and some mobile browsers have no SharedWorker at all. This gives every tab a
// worker of its own that runs the same script, and tells the page when the connection comes and goes.
"use strict";

(() => {
  const here = document.currentScript.src;
  const NEWS = {
    connected: "connected",
    disconnected: "disconnected",
    set_props: "pushed",
    set_props_batch: "pushed",
  };

  window.SharedWorker = class TabWorker {
    constructor(source) {
      const place = new URL("port-worker.js", here);
      place.searchParams.set("source", new URL(source, window.location.href).pathname);
      const worker = new Worker(place);
      const channel = new MessageChannel();
      worker.postMessage(null, [channel.port2]);
      this.port = channel.port1;
      this.port.addEventListener("message", (event) => {
        const kind = NEWS[event.data.type];
        // Dash's own listener comes after this one: let it do its work first.
        if (kind) window.setTimeout(() => document.dispatchEvent(new CustomEvent(`laddvakt:${kind}`)), 0);
      });
    }
  };
})();
