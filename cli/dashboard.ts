/**
 * The server of the lab's metrics page, for `./lab open dashboard`: serves the page's files from this checkout, the table of
 * panels, and the part of Prometheus's HTTP API that the page uses. It can be reached only from this computer.
 */
import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { extname } from "node:path";
import { once } from "node:events";
import { panels, sections, turns } from "../provisioning/monitoring/panels.ts";
import { inCheckout } from "../workshop/checkout.ts";

const types: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
};
const pageFile = (name: string): string => inCheckout("provisioning", "monitoring", "page", name);
const files: Readonly<Record<string, string>> = {
  "/": pageFile("index.html"),
  "/style.css": pageFile("style.css"),
  "/units.js": pageFile("units.js"),
  "/page.js": pageFile("page.js"),
  "/echarts.js": inCheckout("node_modules", "echarts", "dist", "echarts.min.js"),
};
/** Queries for series only; nothing that changes or configures Prometheus. */
const questions = ["/api/v1/query", "/api/v1/query_range"];

/**
 * Starts the server on a port of 127.0.0.1.
 * @param prometheus address of Prometheus on this computer, the near end of a tunnel: `http://127.0.0.1:PORT`
 */
export async function serveDashboard(port: number, prometheus: string): Promise<Server> {
  const server = createServer((request, response) => {
    void answer(request, response, prometheus).catch((error: unknown) => {
      if (!response.headersSent) response.writeHead(502, { "content-type": "text/plain; charset=utf-8" });
      response.end(error instanceof Error ? error.message : String(error));
    });
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  return server;
}

async function answer(request: IncomingMessage, response: ServerResponse, prometheus: string): Promise<void> {
  const url = new URL(request.url ?? "/", "http://127.0.0.1");
  // A web page whose host name resolves to this computer (DNS rebinding) must not read the lab's metrics.
  const host = (request.headers.host ?? "").replace(/:\d+$/, "");
  if (request.method !== "GET" || !["127.0.0.1", "localhost"].includes(host)) {
    response.writeHead(403).end("only pages of this computer, and only GET");
    return;
  }
  const file = Object.hasOwn(files, url.pathname) ? files[url.pathname] : undefined;
  if (file !== undefined) {
    send(response, types[extname(file)] ?? "text/plain", readFileSync(file));
  } else if (url.pathname === "/panels.json") {
    send(response, "application/json", JSON.stringify({ sections, panels, turns }));
  } else if (questions.includes(url.pathname)) {
    const asked = await fetch(`${prometheus}${url.pathname}${url.search}`, {
      signal: AbortSignal.timeout(30_000),
    });
    send(response, "application/json", Buffer.from(await asked.arrayBuffer()), asked.status);
  } else {
    response.writeHead(404).end(`there is no ${url.pathname}`);
  }
}

function send(response: ServerResponse, type: string, body: string | Buffer, status = 200): void {
  response.writeHead(status, {
    "content-type": type,
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'",
  });
  response.end(body);
}
