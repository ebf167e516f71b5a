// A worker of one tab that runs Dash's shared-worker script unchanged; see 00-port.js.
"use strict";

const source = new URL(self.location.href).searchParams.get("source");
if (!source || !source.startsWith("/") || source.startsWith("//")) {
  throw new Error("source must be a path of this server");
}
importScripts(source);
self.onmessage = (event) => self.onconnect({ ports: event.ports });
