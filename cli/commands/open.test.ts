import { execFileSync } from "node:child_process";
import { journalctl, units } from "./logs.ts";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { answers, pageOf, tunnel } from "./open.ts";

const outputs = {
  nodes: [
    { name: "node1", roles: ["client"] },
    { name: "meta", roles: ["meta", "objects"] },
  ],
  monitoring: { prometheus: "http://10.77.0.10:9090" },
  benchmarkRun: { path: "results/smoke-1" },
};

describe("open", () => {
  it("finds Prometheus on the node that has it", () => {
    expect(pageOf("prometheus", outputs, "local")).toEqual({
      node: "meta",
      address: "10.77.0.10:9090",
      path: "/",
    });
  });

  it("finds the page of DisGraFS on the Ray head, and tells how to read its token", () => {
    const nodes = [...outputs.nodes, { name: "node2", roles: ["client", "ray-head"] }];
    expect(pageOf("disgrafs", { nodes, disgrafs: { page: "10.77.0.12:8088" } }, "second")).toEqual({
      node: "node2",
      address: "10.77.0.12:8088",
      path: "/",
      hint: expect.stringContaining(
        "see it with: ./lab ssh --stack second node2 -- cat /etc/disgrafs/api-token",
      ) as string,
    });
  });

  it("uses the same Prometheus for the dashboard", () => {
    expect(pageOf("dashboard", outputs, "local")).toEqual({
      ...pageOf("prometheus", outputs, "local"),
      dashboard: true,
    });
  });

  it("finds Grafana on the loopback address of its node, and tells how to read admin's password", () => {
    const monitoring = { ...outputs.monitoring, grafana: "127.0.0.1:3000" };
    expect(pageOf("grafana", { ...outputs, monitoring }, "local")).toEqual({
      node: "meta",
      address: "127.0.0.1:3000",
      path: "/",
      hint: expect.stringContaining("./lab ssh meta -- cat /etc/disgrafs/grafana-password") as string,
    });
  });

  it("distinguishes a page that answers with any status from a tunnel to nothing", async () => {
    const server = createServer((_, response) => response.writeHead(401).end("who are you?"));
    // As ssh does if the remote side refuses a connection.
    const closing = createServer().on("connection", (socket) => socket.destroy());
    for (const each of [server, closing]) await once(each.listen(0, "127.0.0.1"), "listening");
    const portOf = (each: typeof server): number => (each.address() as AddressInfo).port;
    expect(await Promise.all([server, closing].map((each) => answers(portOf(each))))).toEqual([true, false]);
    for (const each of [server, closing]) each.close();
  });

  it("finds the report of the stack's run in the checkout", () => {
    expect(pageOf("report", outputs, "local")).toEqual({
      file: expect.stringMatching(/results\/smoke-1\/report\.html$/) as string,
    });
  });

  it.each([
    ["prometheus", { ...outputs, monitoring: null }, "./lab up --stack second -c monitoring=true"],
    ["disgrafs", { ...outputs, disgrafs: null }, "./lab up --stack second -c disgrafs=true"],
    ["report", { ...outputs, benchmarkRun: null }, "./lab bench --stack second"],
    ["grafana", { ...outputs, monitoring: null }, "./lab up --stack second -c monitoring=true -c grafana=on"],
    [
      "grafana",
      outputs,
      "its package could not be downloaded, or grafana is off. ./lab up --stack second -c grafana=on says why",
    ],
    ["disgrafs", { ...outputs, disgrafs: { page: "x" } }, "the lab has no node with the role ray-head"],
    [
      "grafna",
      outputs,
      'there is no page "grafna"; the pages: dashboard, disgrafs, grafana, prometheus, report',
    ],
  ])("gives advice if %s is missing", (name, given, words) => {
    expect(() => pageOf(name, given, "second")).toThrow(words);
  });

  it("listens only on this computer, and ends if it cannot listen", () => {
    expect(tunnel("ssh -F x node1", 4000, "10.77.0.10:9090")).toBe(
      "ssh -F x node1 -N -o ExitOnForwardFailure=yes -o BatchMode=yes -L 127.0.0.1:4000:10.77.0.10:9090",
    );
  });
});

describe("logs", () => {
  const options = { follow: false, lines: "200" };
  /** The arguments of journalctl if a node's shell runs the command as root. */
  const words = (...args: Parameters<typeof journalctl>): string[] =>
    execFileSync(
      "bash",
      [
        "-c",
        `id() { echo 0; }; journalctl() { printf '%s\\n' "$@"; }; exec() { "$@"; }; ${journalctl(...args)}`,
      ],
      {
        encoding: "utf8",
      },
    )
      .trimEnd()
      .split("\n");

  it("maps short names to the lab's services, and passes other units unchanged", () => {
    expect(words("redis", options).slice(-2)).toEqual(["--unit", "redis-server.service"]);
    expect(words("ssh.service", options).slice(-2)).toEqual(["--unit", "ssh.service"]);
  });

  it("shows all services if none is named", () => {
    expect(words(undefined, options).filter((word) => word === "--unit")).toHaveLength(
      Object.values(units).flat().length,
    );
  });

  it("follows the log from the given time", () => {
    expect(words("ray", { ...options, follow: true, since: "10m ago" })).toEqual(
      expect.arrayContaining(["--follow", "--since=-10m"]),
    );
    expect(words("ray", { ...options, since: "2026-01-31 12:00" })).toContain("--since=2026-01-31 12:00");
  });

  it.each([
    ["a service with a space", () => journalctl("a b", options), '"a b" is not a service; use one of redis,'],
    [
      "lines that are no number",
      () => journalctl("ray", { ...options, lines: "all" }),
      "--lines all: a whole number",
    ],
  ])("refuses %s", (_, call, words) => {
    expect(call).toThrow(words);
  });
});
