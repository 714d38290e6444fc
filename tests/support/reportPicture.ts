/**
 * Makes the README's picture of a report: `node tests/support/reportPicture.ts PICTURE [RUN]` opens the report of a run (a folder
 * with its raw/) in a headless Chromium and writes its top as PNG. Without a run, it invents one like the tests: one arm is worse
 * where the baseline has hits, and another is better where it has misses.
 */
import { rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { launchBrowser } from "./browser.ts";
import { writeResults } from "../../benchmarks/results.ts";
import { inventRun } from "../../benchmarks/testdata/rawRun.ts";

const [picture, given] = process.argv.slice(2);
if (picture === undefined) throw new Error("usage: node tests/support/reportPicture.ts PICTURE [RUN]");

const invented = (): string =>
  inventRun({
    profile: "attributes",
    arms: ["ttl", "nocache", "ttl-long"],
    noise: 0.02,
    virtualization: "qemu",
    rate: (figure, label) => {
      if (label === "nocache" && figure.endsWith("Hit")) return 120;
      if (label === "ttl-long" && figure.endsWith("Miss")) return 1900;
      return 1000;
    },
  });

const folder = given === undefined ? invented() : resolve(given);
const browser = await launchBrowser();
try {
  writeResults(folder);
  const page = await browser.newPage({ viewport: { width: 1500, height: 1040 } });
  await page.goto(pathToFileURL(join(folder, "report.html")).href);
  await page.waitForSelector("canvas");
  await page.screenshot({ path: picture, animations: "disabled" });
} finally {
  await browser.close();
  if (given === undefined) rmSync(folder, { recursive: true });
}
