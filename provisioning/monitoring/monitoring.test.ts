import { readFileSync } from "node:fs";
import { prometheusConfig } from "./config.ts";
import { dashboard, panels } from "./grafana/dashboard.ts";

describe("prometheusConfig", () => {
  it("names each target's node, and looks as often as a benchmark's window asks for", () => {
    const jobs = [{ name: "redis", targets: [{ node: "meta", address: "10.77.0.10:9121" }] }];
    expect(prometheusConfig(jobs)).toEqual({
      global: { scrape_interval: "5s", scrape_timeout: "5s" },
      scrape_configs: [
        { job_name: "redis", static_configs: [{ targets: ["10.77.0.10:9121"], labels: { node: "meta" } }] },
      ],
    });
  });
});

describe("the dashboard", () => {
  it("is what its file says; write the file anew as dashboard.ts tells", () => {
    const file = new URL("./grafana/dashboards/disgrafs.json", import.meta.url);
    expect(JSON.parse(readFileSync(file, "utf8"))).toEqual(dashboard());
  });

  it("names in its legends only labels that the query keeps", () => {
    const wrong = panels
      .flatMap(({ queries }) => queries)
      .flatMap(({ expr, legend }) => {
        const kept = [...expr.matchAll(/by \(([^)]*)\)/g)].flatMap((match) => match[1]?.split(/, */) ?? []);
        const named = [...legend.matchAll(/\{\{(\w+)\}\}/g)].map((match) => match[1] ?? "");
        return kept.length === 0 ? [] : named.filter((label) => !kept.includes(label));
      });
    expect(wrong).toEqual([]);
  });
});
