import { readdirSync, readFileSync } from "node:fs";
import { prometheusConfig } from "./config.ts";
import { load } from "js-yaml";
import { checkDashboard, datasourceUid } from "./grafana/check.ts";
import { dashboards } from "./grafana/dashboards.ts";
import { panels, sections } from "./panels.ts";
import { reasons } from "./panels/extensions.ts";

describe("prometheusConfig", () => {
  it("has each target's node, and an interval short enough for a benchmark's window", () => {
    const jobs = [{ name: "redis", targets: [{ node: "meta", address: "10.77.0.10:9121" }] }];
    expect(prometheusConfig(jobs)).toEqual({
      storage: { tsdb: { out_of_order_time_window: "1d" } },
      global: { scrape_interval: "5s", scrape_timeout: "5s" },
      scrape_configs: [
        { job_name: "redis", static_configs: [{ targets: ["10.77.0.10:9121"], labels: { node: "meta" } }] },
      ],
    });
  });
});

describe("the table of panels", () => {
  it("has a panel in each section, and unique titles", () => {
    expect([...new Set(panels.map(({ section }) => section))]).toEqual([...sections]);
    const titles = panels.map(({ title }) => title);
    expect(titles.filter((title, index) => titles.indexOf(title) !== index)).toEqual([]);
  });

  it("uses only metrics that DisGraFS, the runner and Ray export", () => {
    const sources = [
      "disgrafs/taggers/dispatch.py",
      "disgrafs/index/follow.py",
      "benchmarks/runner/disgrafs_benchmark/live.py",
      "provisioning/monitoring/ray_state.py",
    ].map((path) => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8"));
    const text = sources.join("\n");
    const asked = panels
      .filter(({ section }) => ["Ray", "DisGraFS", "Benchmark"].includes(section))
      .flatMap(({ queries }) => queries.flatMap(({ expr }) => expr.match(/\bdisgrafs_\w+/g) ?? []));
    const names = [...new Set(asked)].map((name) => name.replace(/_(bucket|sum|count)$/, ""));
    const known = (name: string): boolean =>
      text.includes(`"${name}"`) || text.includes(`("${name.replace("disgrafs_benchmark_", "")}", `);
    expect(names.length).toBeGreaterThan(10);
    expect(names.filter((name) => !known(name))).toEqual([]);
  });

  it("counts as a reason every result of the FUSE extension for which the daemon is asked", () => {
    const header = readFileSync(new URL("../../bpf/fuse/efuse.h", import.meta.url), "utf8");
    const table = header.slice(
      header.indexOf("#define EFUSE_RESULTS(X)"),
      header.indexOf("enum efuse_result {"),
    );
    const results = [...table.matchAll(/X\(\w+, "(\w+)"\)/g)].map((match) => match[1]);
    const others = [
      ...["asked", "hit", "filled", "listed", "unlisted", "raised", "epoch"],
      ...["shadow_hit", "shadow_match", "shadow_raced", "shadow_differs"],
    ];
    expect(results.sort()).toEqual([...reasons, ...others].sort());
  });

  it("uses only metrics that the FUSE extension's agent exports", () => {
    const sources = ["metrics.c", "results.c"].map((name) =>
      readFileSync(new URL(`../../bpf/fuse/agent/${name}`, import.meta.url), "utf8"),
    );
    const asked = panels.flatMap(({ queries }) =>
      queries.flatMap(({ expr }) => expr.match(/\befuse_\w+/g) ?? []),
    );
    expect(asked).toContain("efuse_module_read_bytes_total");
    expect(asked.filter((name) => !sources.join("").includes(`# TYPE ${name} `))).toEqual([]);
  });

  it("uses in its legends only labels that the query keeps", () => {
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

describe("Grafana's own settings", () => {
  const read = (path: string): string => readFileSync(new URL(`./grafana/${path}`, import.meta.url), "utf8");
  const sectionsOf = read("grafana.ini").split(/^\[(.*)\]$/m);
  const valueOf = (section: string, key: string): string | undefined =>
    new RegExp(`^${key} = (.*)$`, "m").exec(sectionsOf[sectionsOf.indexOf(section) + 1] ?? "")?.[1];

  it("allow everybody on the loopback address to view, and nobody to change anything", () => {
    expect(valueOf("server", "http_addr")).toBe("127.0.0.1");
    expect(["enabled", "org_name", "org_role"].map((key) => valueOf("auth.anonymous", key))).toEqual([
      ...["true", "Main Org.", "Viewer"],
    ]);
    expect(valueOf("users", "viewers_can_edit")).toBe("false");
    expect(valueOf("users", "allow_sign_up")).toBe("false");
  });

  it("have the password in a file that is read literally, and only the lab's variables", () => {
    expect(valueOf("security", "admin_password")).toBe("$__file{/etc/disgrafs/grafana-password}");
    const start = read("start.sh");
    const filled = [
      "grafana.ini",
      "provisioning/datasources/disgrafs.yaml",
      "provisioning/dashboards/disgrafs.yaml",
    ]
      .flatMap((path) => read(path).match(/^[^#\n]*\$.*$/gm) ?? [])
      .flatMap((line) => line.match(/\$\{?\w+/g) ?? [])
      .map((word) => word.replace(/^\$\{?/, ""));
    expect([...new Set(filled)].sort()).toEqual([
      ...["DISGRAFS_DASHBOARDS", "DISGRAFS_GRAFANA_PORT", "DISGRAFS_PROMETHEUS", "__file"],
    ]);
    for (const name of filled.filter((each) => each !== "__file"))
      expect(start).toMatch(new RegExp(`^${name}=`, "m"));
  });

  it("provision the data source that the dashboards name, and a folder for them, both read-only in a browser", () => {
    const datasources = load(read("provisioning/datasources/disgrafs.yaml")) as { datasources: object[] };
    expect(datasources.datasources).toEqual([
      expect.objectContaining({ uid: datasourceUid, type: "prometheus", editable: false }),
    ]);
    const { providers } = load(read("provisioning/dashboards/disgrafs.yaml")) as { providers: object[] };
    expect(providers).toEqual([
      expect.objectContaining({
        folder: "disgrafs",
        folderUid: "disgrafs",
        allowUiUpdates: false,
        disableDeletion: true,
      }),
    ]);
  });
});

describe("Grafana's dashboards", () => {
  const folder = new URL("./grafana/dashboards/", import.meta.url);
  const files = Object.fromEntries(
    readdirSync(folder).map((name) => [
      name,
      JSON.parse(readFileSync(new URL(name, folder), "utf8")) as unknown,
    ]),
  );

  it("match the committed files; dashboards.ts says how to regenerate them", () => {
    expect(files).toEqual(JSON.parse(JSON.stringify(dashboards())));
  });

  it("are one per section, with unique uids and links to each other, and pass our checks", () => {
    const all = Object.values(files) as { uid: string; links: { tags: string[] }[]; tags: string[] }[];
    expect(all).toHaveLength(sections.length);
    expect(new Set(all.map(({ uid }) => uid)).size).toBe(sections.length);
    for (const { links, tags } of all) expect(links.flatMap((link) => link.tags)).toEqual(tags);
    expect(
      Object.entries(files).flatMap(([name, each]) =>
        checkDashboard(each).map((fault) => `${name}: ${fault}`),
      ),
    ).toEqual([]);
  });

  const good = (): Record<string, unknown> =>
    structuredClone(files["overview.json"]) as Record<string, unknown>;
  const firstPanel = (board: Record<string, unknown>): Record<string, unknown> =>
    (board.panels as Record<string, unknown>[])[0] ?? {};
  const firstTarget = (board: Record<string, unknown>): Record<string, unknown> =>
    (firstPanel(board).targets as Record<string, unknown>[])[0] ?? {};
  it.each([
    [
      "inputs that only an import by hand would fill",
      (it) => (it.__inputs = []),
      "__inputs: only an import by hand",
    ],
    ["a uid with a letter that Grafana refuses", (it) => (it.uid = "a b"), "uid a b: up to 40 of"],
    ["no title", (it) => (it.title = ""), "no title"],
    [
      "another data source",
      (it) => (firstPanel(it).datasource = { uid: "x" }),
      "panel 1: its data source is",
    ],
    [
      "a query of another data source",
      (it) => (firstTarget(it).datasource = "disgrafs"),
      "panel 1, query A: its data source is",
    ],
    [
      "a variable that nothing defines",
      (it) => (firstTarget(it).expr = 'up{node="$node"}'),
      "panel 1, query A: $node is not defined",
    ],
    ["a query without words", (it) => (firstTarget(it).expr = " "), "panel 1, query A: its query is empty"],
    [
      "a kind of panel that Grafana does not have",
      (it) => (firstPanel(it).type = "graph3"),
      "panel 1: no panel is called graph3",
    ],
    ["two panels of one id", (it) => (firstPanel(it).id = 2), "panel 2: another has this id"],
    [
      "two queries of one name",
      (it) => (firstTarget(it).refId = "B"),
      "panel 1, query B: another has this name",
    ],
    [
      "a panel that is out of the grid",
      (it) => (firstPanel(it).gridPos = { x: 20, y: 0, w: 12, h: 8 }),
      "panel 1: it is not on the grid",
    ],
    ["an envelope", (it) => (it.dashboard = {}), "dashboard: the file is the dashboard itself"],
  ] as [string, (board: Record<string, unknown>) => unknown, string][])(
    "are refused with %s",
    (_, spoil, fault) => {
      const board = good();
      spoil(board);
      expect(checkDashboard(board).filter((each) => each.startsWith(fault))).toHaveLength(1);
    },
  );
});
