import { createServer, request, type Server } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { serveDashboard } from "./dashboard.ts";

/** Replaces Prometheus: answers with the query. provisioning/monitoring/services.long.test.ts uses the real one. */
const prometheus = createServer((asked, response) => response.end(JSON.stringify({ data: asked.url })));
let dashboard: Server;
let port: number;
beforeAll(async () => {
  prometheus.listen(0, "127.0.0.1");
  await once(prometheus, "listening");
  dashboard = await serveDashboard(0, `http://127.0.0.1:${(prometheus.address() as AddressInfo).port}`);
  ({ port } = dashboard.address() as AddressInfo);
});
afterAll(() => {
  for (const server of [dashboard, prometheus]) {
    server.close();
    server.closeAllConnections();
  }
});

/** Status and text of an answer, with Node's request, because fetch does not allow a Host header. */
const ask = async (
  path: string,
  options: { method?: string; host?: string } = {},
): Promise<[number, string]> => {
  const { method = "GET", host = "127.0.0.1" } = options;
  const asked = request({
    port,
    host: "127.0.0.1",
    path,
    method,
    headers: { host: `${host}:${port}` },
  }).end();
  const [response] = (await once(asked, "response")) as [NodeJS.ReadableStream & { statusCode: number }];
  let text = "";
  for await (const chunk of response) text += String(chunk);
  return [response.statusCode, text];
};

describe("the dashboard's server", () => {
  it("serves the page and all files that it names", async () => {
    const [status, html] = await ask("/");
    expect(status).toBe(200);
    const named = [...html.matchAll(/(?:src|href)="([\w.]+)"/g)].map((match) => `/${match[1]}`);
    expect(named).toEqual(["/style.css", "/echarts.js", "/units.js", "/page.js"]);
    for (const path of [...named, "/panels.json"]) expect((await ask(path))[0]).toBe(200);
  });

  it("passes queries to Prometheus unchanged", async () => {
    expect(await ask("/api/v1/query?query=up%7Bnode%3D%22a%22%7D")).toEqual([
      200,
      '{"data":"/api/v1/query?query=up%7Bnode%3D%22a%22%7D"}',
    ]);
  });

  it.each([
    ["another path of Prometheus", "/api/v1/status/config", {}, 404],
    ["a way out of the folder", "/../../package.json", {}, 404],
    ["another method", "/api/v1/query", { method: "POST" }, 403],
    ["a name of the Internet that leads here", "/", { host: "example.org" }, 403],
  ] as const)("refuses %s", async (_, path, options, status) => {
    expect((await ask(path, options))[0]).toBe(status);
  });
});
