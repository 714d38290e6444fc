/** The report in a real headless Chromium, opened from disk. Needs /usr/bin/chromium (Debian's package chromium). */
import { readFileSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { type Browser, type BrowserContextOptions, type Page } from "playwright-core";
import { launchBrowser } from "../../tests/support/browser.ts";
import { analyse } from "../analyse.ts";
import type { Metrics } from "../metrics.ts";
import { write, writeResults } from "../results.ts";
import { runSchema, type Run } from "../run.ts";
import { digits, kindOf, kindText, unitText } from "../words.ts";
import { inventRun } from "../testdata/rawRun.ts";
import { renderReport } from "./report.ts";

const deadline = 120_000;

let browser: Browser;
let folder: string;
let run: Run;

beforeAll(async () => {
  browser = await launchBrowser();
  folder = inventRun({
    profile: "attributes",
    rate: (figure, label) => (label === "nocache" && figure === "statHit" ? 100 : 1000),
    point: (point) => {
      if (point.label === "nocache" && point.workload === "control")
        point.invalid = "node1: </script><b>no</b>";
      return point;
    },
  });
  writeResults(folder);
  run = runSchema.parse(JSON.parse(readFileSync(join(folder, "run.json"), "utf8")));
}, deadline);

afterAll(async () => {
  await browser.close();
  rmSync(folder, { recursive: true });
});

/** Opens the report in a new page, and collects the page's errors. */
async function open(
  file: string,
  options: BrowserContextOptions = {},
): Promise<{ page: Page; faults: string[] }> {
  const context = await browser.newContext(options);
  context.setDefaultTimeout(deadline / 2);
  const page = await context.newPage();
  const faults: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") faults.push(message.text());
  });
  page.on("pageerror", (error) => faults.push(error.message));
  page.on("request", (request) => {
    if (!request.url().startsWith("file:")) faults.push(`asked the network for ${request.url()}`);
  });
  await page.goto(pathToFileURL(resolve(folder, file)).href);
  return { page, faults };
}

/** Exact numbers of a row of the verdict table, by field, with the visible text. */
async function numbersOf(page: Page, key: string): Promise<Record<string, { value: number; shown: string }>> {
  // An expression as text, because this project has no types for browsers.
  const entries: [string, { value: number; shown: string }][] = await page.evaluate(
    `[...document.querySelectorAll('tr[data-result="${key}"] data')].map((one) => [
      one.dataset.field, { value: Number(one.value), shown: one.textContent },
    ])`,
  );
  return Object.fromEntries(entries);
}

describe("report.html", () => {
  it(
    "should open from disk without errors, warnings or requests, and draw its charts",
    async () => {
      const { page, faults } = await open("report.html");
      await page.waitForSelector("#chart-blocks canvas");
      expect(await page.locator("canvas").count()).toBe(2 + run.machines.length);
      expect(await page.locator("h1").textContent()).toBe(run.runId);
      expect(faults).toEqual([]);
    },
    deadline,
  );

  it(
    "should show all numbers of run.json in its verdict table",
    async () => {
      const { page } = await open("report.html");
      expect(await page.locator("#verdict-table tbody tr").count()).toBe(run.results.length);
      for (const result of run.results) {
        const found = await numbersOf(page, `${result.workload}/${result.figure}/${result.arm}`);
        const { ratio, value, baseline, noise, smallestFactor: smallest } = result;
        const { centre, low, high, least, most } = ratio ?? {};
        const ends = low === null ? { least, most } : { low, high };
        const expected = { ratio: centre, ...ends, value, baseline, noise, smallest };
        const known = Object.entries(expected).filter(
          (entry): entry is [string, number] => typeof entry[1] === "number",
        );
        expect(found).toEqual(
          Object.fromEntries(
            known.map(([field, number]) => [field, { value: number, shown: digits(number) }]),
          ),
        );
      }
    },
    deadline,
  );

  it(
    "should show the share of hits next to figures that have it, and no such column if none has",
    async () => {
      const { page } = await open("report.html");
      const header = page.locator("#verdict-table th", { hasText: /^\s*Hits\s*$/ });
      expect(await header.count()).toBe(0);
      const share = (arm: string): number => (arm === "nocache" ? 0.5 : 0.9999);
      const points = run.points.map((point) =>
        point.workload === "metadata" ? { ...point, hitShares: { statHit: share(point.arm) } } : point,
      );
      const analysis = { ...analyse(join(folder, "raw")), run: { ...run, points } };
      write(join(folder, "hits.html"), renderReport([analysis]));
      const { page: other } = await open("hits.html");
      expect(await other.locator("#verdict-table th", { hasText: /^\s*Hits\s*$/ }).count()).toBe(1);
      const row = other.locator('tr[data-result="metadata/statHit/nocache"]');
      expect(await row.innerText()).toContain("99.9 % → 50 %");
    },
    deadline,
  );

  it(
    "should show each verdict in words, and the reason for an invalid one as text",
    async () => {
      const { page } = await open("report.html");
      const words = await page.locator("#verdict-table tbody .pill").allInnerTexts();
      expect(words.map((text) => text.replace(/^\S+ /, ""))).toEqual(
        run.results.map((result) => kindOf(result).replace("invalid", "INVALID")),
      );
      expect(words).toContain("▼ worse");
      expect(await page.locator("#verdict-table tbody").innerText()).toContain("ops/s ↑");
      const reason = await page.locator("td.reason").first().innerText();
      expect(reason).toBe("node1: </script><b>no</b>; 10 of 10 blocks");
    },
    deadline,
  );

  it(
    "should draw a figure that is chosen by keyboard, and list its ratios",
    async () => {
      const { page, faults } = await open("report.html");
      // The first figure with a difference is shown first.
      expect(await page.locator("#figure").inputValue()).toBe("metadata/statHit");
      await page.locator("#figure").focus();
      await page.keyboard.press("ArrowDown");
      await page.waitForFunction(
        "document.getElementById('chart-blocks').getAttribute('aria-label').includes('stat, miss')",
      );
      await page.locator("details summary").click();
      expect(await page.locator("#block-table tbody tr").count()).toBe(10);
      expect(await page.locator("#block-table caption").innerText()).toBe(
        "metadata: stat, miss (ops/s), ratio to ttl: more than 1 is better",
      );
      expect(faults).toEqual([]);
    },
    deadline,
  );

  it(
    "should copy the table with tabs, for a spreadsheet",
    async () => {
      const { page } = await open("report.html", { permissions: ["clipboard-read", "clipboard-write"] });
      await page.getByRole("button", { name: "Copy the table" }).click();
      await page.waitForFunction("document.getElementById('copied').textContent.startsWith('Copied')");
    },
    deadline,
  );

  it(
    "should be dark if the system is, with readable text",
    async () => {
      for (const colorScheme of ["light", "dark"] as const) {
        const { page, faults } = await open("report.html", { colorScheme });
        const [ink, paper]: [string, string] = await page.evaluate(
          `[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]`,
        );
        const difference = brightness(ink) - brightness(paper);
        expect(Math.sign(difference)).toBe(colorScheme === "dark" ? 1 : -1);
        expect(Math.abs(difference)).toBeGreaterThan(0.6);
        expect(faults).toEqual([]);
      }
    },
    deadline,
  );

  it(
    "should fit a phone: only the tables' frames scroll sideways",
    async () => {
      const { page } = await open("report.html", { viewport: { width: 390, height: 844 }, isMobile: true });
      await page.waitForSelector("#chart-blocks canvas");
      const widths = await page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]");
      expect(widths).toEqual([390, 390]);
    },
    deadline,
  );

  it(
    "should name every chart, field and table for a screen reader",
    async () => {
      const { page } = await open("report.html");
      await page.waitForSelector("#chart-blocks canvas");
      const nameless = await page
        .locator(
          "[role=img]:not([aria-label]), [role=region]:not([aria-label]):not([aria-labelledby]), th:not([scope])",
        )
        .count();
      expect(nameless).toBe(0);
      expect(await page.getByLabel("Figure").count()).toBe(1);
      expect(await page.getByRole("img", { name: /ratio to ttl by block/ }).count()).toBe(1);
    },
    deadline,
  );
});

describe("how-to-read.html", () => {
  it(
    "should be linked from the report, explain every verdict with a row of the run, and link back",
    async () => {
      const { page, faults } = await open("report.html");
      await page.getByRole("link", { name: "How to read this report" }).click();
      await page.waitForSelector("#verdict");
      const text = await page.locator("main").innerText();
      for (const kind of new Set(run.results.map(kindOf))) {
        const shown = run.results.find((result) => kindOf(result) === kind)!;
        expect(text).toContain(kindText(kind, run));
        expect(text).toContain(`${shown.workload} ${shown.title} (${unitText(shown)}) in ${shown.arm}`);
      }
      expect(text).toContain("5 of 100 runs hold a false verdict");
      expect(text).toContain("A true difference smaller than that may be called");
      await page.getByRole("link", { name: "Back to the report" }).click();
      await page.waitForSelector("#verdict-table");
      expect(faults).toEqual([]);
    },
    deadline,
  );
});

describe("report.html of many arms", () => {
  it(
    "should fit a phone, draw every arm, and show once why an arm never ran",
    async () => {
      const arms = ["nocache", "ttl-long", "client-cache", "fuse-latency", "redis-sockmap"] as const;
      const many = inventRun({
        arms,
        point: (point) => ({ ...point, invalid: point.arm === "fuse-latency" ? "node1: unsupported" : null }),
      });
      try {
        writeResults(many);
        const options = { viewport: { width: 390, height: 844 }, isMobile: true };
        const { page, faults } = await open(join(many, "report.html"), options);
        await page.waitForSelector("#chart-blocks canvas");
        expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(390);
        const drawn = await page.locator("#chart-blocks").getAttribute("aria-label");
        for (const arm of arms) if (arm !== "fuse-latency") expect(drawn).toContain(`${arm} `);
        const reasons = await page.locator("td.reason").allInnerTexts();
        expect(reasons.slice(0, 3)).toEqual([
          "node1: unsupported; 3 of 3 blocks",
          ...["as above", "as above"],
        ]);
        expect(faults).toEqual([]);
      } finally {
        rmSync(many, { recursive: true });
      }
    },
    deadline,
  );
});

describe("the comparison of two runs", () => {
  it(
    "should show both runs' ratios and open without an error",
    async () => {
      const analysis = analyse(join(folder, "raw"));
      const results = analysis.run.results.map((result, index) =>
        index === 1 ? { ...result, verdict: "undetermined" as const, smallestFactor: 1.5 } : result,
      );
      const other = { ...analysis, run: { ...analysis.run, results } };
      write(join(folder, "comparison.html"), renderReport([analysis, other]));
      const { page, faults } = await open("comparison.html");
      expect(await page.locator("#verdict-table thead th").count()).toBe(5);
      const shown = await page.locator("#verdict-table tbody tr").first().locator("data").allTextContents();
      expect(shown).toEqual(Array(2).fill(digits(run.results[0]!.ratio!.centre)));
      const cells = page.locator("#verdict-table tbody tr").nth(1).locator("td");
      expect(await cells.last().innerText()).toContain("detectable from ×1.5");
      expect(await page.locator("#verdict-table").innerText()).toMatch(/^(?!.*detectable.*detectable)/s);
      expect(faults).toEqual([]);
    },
    deadline,
  );
});

describe("the metrics of a run's time", () => {
  const start = (): number => Date.parse(run.started) / 1000 - 30;
  const metrics = (busy: number): Metrics => ({
    version: 1,
    start: start(),
    step: 5,
    panels: [
      {
        section: "I/O",
        title: "Utilisation (%util)",
        unit: "percentunit",
        lines: ["node1", "node2"].map((name) => ({
          name: `${name} nvme0n1`,
          values: Array.from({ length: 60 }, (_, index) => (index === 30 ? null : busy * (index % 2))),
        })),
      },
      {
        section: "Redis",
        title: "Redis memory",
        unit: "bytes",
        lines: [{ name: "meta", values: [1024, 2048] }],
      },
    ],
  });

  it(
    "should be drawn each time a section is opened",
    async () => {
      write(join(folder, "metrics.json"), JSON.stringify(metrics(0.5)));
      const before = readFileSync(join(folder, "report.html"), "utf8");
      writeResults(folder);
      const { page, faults } = await open("report.html");
      rmSync(join(folder, "metrics.json"));
      write(join(folder, "report.html"), before);
      await page.waitForSelector("#chart-blocks canvas");
      expect(await page.locator("details.metrics summary").allTextContents()).toEqual(["I/O", "Redis"]);
      expect(await page.locator("details.metrics canvas").count()).toBe(0);
      const summary = page.locator("details.metrics summary").first();
      for (let times = 0; times < 3; times++) await summary.click();
      await page.waitForSelector("details.metrics canvas");
      expect(await page.locator("details.metrics canvas").count()).toBe(1);
      const name = `Utilisation (%util) of run ${run.runId}: node1 nvme0n1, node2 nvme0n1`;
      expect(await page.locator("details.metrics .chart").getAttribute("aria-label")).toBe(name);
      expect(faults).toEqual([]);
    },
    deadline,
  );

  it(
    "should be side by side for two runs, with the same axes, and a note for a run without monitoring",
    async () => {
      const analysis = analyse(join(folder, "raw"));
      const [with_, without] = [metrics(0.5), metrics(0.9)];
      const analyses = [{ ...analysis, metrics: with_ }, { ...analysis, metrics: without }, analysis];
      write(join(folder, "comparison.html"), renderReport(analyses));
      const { page, faults } = await open("comparison.html", { viewport: { width: 1200, height: 900 } });
      expect(await page.locator("#metrics ~ .lead").innerText()).toContain("1 of the runs had no monitoring");
      await page.locator("details.metrics summary").first().click();
      await page.waitForSelector("details.metrics canvas");
      const boxes: [number, number][] = await page.evaluate(
        `[...document.querySelectorAll("details.metrics .chart")].map((one) => [
          one.getBoundingClientRect().top, echarts.getInstanceByDom(one).getOption().yAxis[0].max,
        ])`,
      );
      const [first, second] = boxes;
      expect(boxes).toHaveLength(2);
      expect(first?.[0]).toBe(second?.[0]);
      expect([first?.[1], second?.[1]]).toEqual([0.9, 0.9]);
      expect(faults).toEqual([]);
    },
    deadline,
  );
});

/** Relative brightness, 0 to 1, of a colour as the browser computes it. */
function brightness(colour: string): number {
  const [red, green, blue] = (colour.match(/[\d.]+/g) ?? []).map(Number) as [number, number, number];
  return (0.2126 * red + 0.7152 * green + 0.0722 * blue) / 255;
}
