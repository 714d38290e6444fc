/** The metrics of a run, from a Prometheus with made-up answers; provisioning/monitoring/services.long.test.ts uses a real one. */
import { once } from "node:events";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { execa } from "execa";
import { panels } from "../provisioning/monitoring/panels.ts";
import { metricsOf, metricsScript, metricsSchema, readMetrics, stepOf } from "./metrics.ts";

const window = { start: 1000, end: 1020 };
const queries = panels.flatMap((panel) => panel.queries);
const memory =
  '{"data":{"result":[{"metric":{"node":"meta"},"values":[[1000,"1"],[1010,"123456.7"],[1015,"NaN"],[1020,"3"]]}]}}';

describe("the metrics of a run's time", () => {
  const folder = mkdtempSync(join(tmpdir(), "metrics-"));
  afterAll(() => rmSync(folder, { recursive: true }));

  it("are those of all panels, with null where Prometheus has no value, from the real script and one curl", async () => {
    // Redis's memory, an error for Ray's nodes, and no values for the others.
    const asked: URLSearchParams[] = [];
    const server = createServer((request, response) => {
      void text(request).then((body) => {
        asked.push(new URLSearchParams(body));
        const query = asked.at(-1)?.get("query");
        if (query === "disgrafs_ray_nodes") response.writeHead(422);
        response.end(query === "redis_memory_used_bytes" ? memory : '{"data":{"result":[]}}');
      });
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    writeFileSync(
      join(folder, "curl"),
      `#!/bin/bash\necho started >>${folder}/curls\nexec /usr/bin/curl "$@"\n`,
    );
    chmodSync(join(folder, "curl"), 0o755);
    const { stdout } = await execa("bash", ["-s"], {
      input: metricsScript(`http://127.0.0.1:${port}`, window),
      env: { PATH: `${folder}:${process.env.PATH}` },
      stripFinalNewline: false,
    });
    server.close();
    const metrics = metricsOf(stdout, window);
    expect(metrics).toEqual({
      version: 1,
      start: 1000,
      step: 5,
      panels: [
        {
          section: "Redis",
          title: "Redis memory",
          unit: "bytes",
          lines: [{ name: "meta", values: [1, null, 123460, null, 3] }],
        },
      ],
    });
    expect(asked.map((each) => each.get("query"))).toEqual(queries.map(({ expr }) => expr));
    for (const each of asked)
      expect(["start", "end", "step"].map((name) => each.get(name))).toEqual(["1000", "1020", "5"]);
    expect(readFileSync(join(folder, "curls"), "utf8")).toBe("started\n");
    writeFileSync(join(folder, "metrics.json"), JSON.stringify(metrics));
    expect(readMetrics(folder)).toEqual(metricsSchema.parse(metrics));
  });

  it("are refused if answers are missing, because the others would be assigned to wrong panels", () => {
    expect(() => metricsOf("\n", window)).toThrow(`got ${queries.length} queries and gave 1 answers`);
  });

  it("have at most some hundred values per line for a run of any length", () => {
    for (const hours of [0.1, 1, 10, 100]) {
      const long = { start: 0, end: hours * 3600 };
      expect(long.end / stepOf(long)).toBeLessThanOrEqual(600);
      expect(stepOf(long)).toBeGreaterThanOrEqual(5);
    }
  });

  it("are undefined in a folder without them, and for another version", () => {
    expect(readMetrics(tmpdir())).toBeUndefined();
    writeFileSync(join(folder, "metrics.json"), JSON.stringify({ version: 99 }));
    expect(readMetrics(folder)).toBeUndefined();
  });
});
