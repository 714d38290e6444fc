/** The report: one HTML file that opens from disk without a network. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { Analysis } from "../analyse.ts";
import type { Watched } from "../metrics.ts";
import { overDisk } from "../overDisk.ts";
import { rowName, type Result, type Run } from "../run.ts";
import {
  arrow,
  blocksText,
  controlText,
  digits,
  earlierText,
  early,
  emulatedNote,
  hitText,
  kindOf,
  kinds,
  kindText,
  onceText,
  reasonOf,
  signs,
  unitText,
  type Kind,
} from "../words.ts";
import { profiles } from "../workloads.ts";
import { chartData } from "./chartData.ts";
import { forest, forestRange } from "./forest.ts";
import { howToRead } from "./howToRead.ts";
import { Html, html, jsonText, scriptText } from "./html.ts";
import { metricsData, type MetricsData } from "./metricsData.ts";

/** File name of the page that explains a report, beside it. */
export const howToReadFile = "how-to-read.html";

/** Renders one run with its charts, or a comparison of several runs. */
export function renderReport(analyses: readonly Watched[]): string {
  const [first] = analyses;
  if (!first) throw new Error("a report needs a run");
  return analyses.length === 1 ? single(first) : comparison(analyses);
}

/** Renders the page that explains a run's report, with its own rows as examples. */
export function renderHowToRead({ run }: Analysis): string {
  return page(`How to read ${run.runId}`, howToRead(run), undefined);
}

function single(analysis: Watched): string {
  const { run } = analysis;
  const watched = [metricsData(analysis)].filter((each) => each !== undefined);
  const data = { ...chartData(analysis), metrics: watched };
  return page(
    `Benchmark ${run.runId}`,
    html`${header(run)} ${notes(run).map(note)}
      <section aria-labelledby="verdicts">
        <h2 id="verdicts">Verdicts</h2>
        <p class="lead">
          The ratio is the arm's figure over that of <b>${run.baseline}</b> in the same block. For a rate
          (ops/s, MB/s) more than 1 is better; for a time (us) less than 1 is. The grey band is what
          ${run.baseline} shows against itself, ↑ and ↓ say which way is better, and “no difference” means
          none beyond ±${digits(run.marginPercent)} %. <a href="${howToReadFile}">How to read this report</a>
        </p>
        ${verdictTable(run)}
      </section>
      ${overDiskSection(run)} ${chartSections(run)} ${metricsSection(watched, 1)} ${about(run)}`,
    data,
  );
}

function costSoFar({ hours, usd }: NonNullable<Run["usage"]>): string {
  return `${usd === "unknown" ? "unknown price" : `about ${usd.toFixed(2)} USD`}, in ${hours.toFixed(1)} h since its first up`;
}

/** What else the computer did that ran the virtual machines; undefined if it is not this one. */
function hostText({ host }: Run): string | undefined {
  if (!host) return undefined;
  const { before, after } = host.load;
  const parts = [
    `load ${digits(before)} before and ${digits(after)} after the run`,
    `${host.machines.before} and ${host.machines.after} virtual machines`,
    ...(host.busyPercent === null ? [] : [`CPUs busy ${digits(host.busyPercent)} %`]),
    ...(host.waitedPercent === null
      ? []
      : [`tasks waiting for a CPU ${digits(host.waitedPercent)} % of the time`]),
    ...(host.stealPercent === null ? [] : [`steal ${digits(host.stealPercent)} %`]),
  ];
  return parts.join(", ");
}

/** The highest load and steal of the nodes that serve the clients, in any window; undefined if none was recorded. */
function neighboursText({ points }: Run): string | undefined {
  const most = (values: readonly (number | null)[]): number | undefined => {
    const known = values.filter((value) => value !== null);
    return known.length === 0 ? undefined : Math.max(...known);
  };
  const load = most(points.map(({ neighbours }) => neighbours.load));
  const steal = most(points.map(({ neighbours }) => neighbours.stealPercent));
  const parts = [
    ...(load === undefined ? [] : [`load at most ${digits(load)}`]),
    ...(steal === undefined ? [] : [`steal at most ${digits(steal)} %`]),
  ];
  return parts.length === 0 ? undefined : parts.join(", ");
}

function header(run: Run): Html {
  const machine = run.machines[0];
  const facts: readonly [string, string | undefined][] = [
    ["Profile", `${run.profile}: ${profiles[run.profile].title}`],
    [
      "Clients",
      `${new Set(run.machines.map(({ name }) => name)).size} × ${machine?.cpus ?? "?"} CPUs, Linux ${machine?.kernel ?? "?"}`,
    ],
    ["Computer of the machines", hostText(run)],
    ["Nodes of Redis and the store", neighboursText(run)],
    ["Versions", machine ? versions(machine.versions, run.services) : undefined],
    ["When", `${run.started.slice(0, 16).replace("T", " ")} UTC, ${minutes(run.seconds)}`],
    ["Stack", run.stack ?? undefined],
    ["Lab's cost so far", run.usage ? costSoFar(run.usage) : undefined],
    [
      "Commit",
      run.commit === null ? undefined : `${run.commit.slice(0, 12)}${run.dirty ? ", with changes" : ""}`,
    ],
    ["Analysis code", run.analysis.hash],
    ["Settings", `${run.settingsHash}, seed ${run.seed}`],
    ["Blocks", blocksText(run)],
    ["Half blocks discarded", run.discarded ? String(run.discarded) : undefined],
    ["Rows requested", run.rows.length > 0 ? run.rows.join(", ") : undefined],
  ];
  return html`<header>
    <p class="eyebrow">disgrafs-lab benchmark</p>
    <h1>${run.runId}</h1>
    <p class="counts">${counts(run)}</p>
    <dl class="facts">
      ${facts.flatMap(([name, value]) =>
        value === undefined
          ? []
          : [
              html`<div>
                <dt>${name}</dt>
                <dd>${value}</dd>
              </div>`,
            ],
      )}
    </dl>
  </header>`;
}

/** Versions of a client's programs as numbers only, then the services by the names that they report. */
function versions(found: Readonly<Record<string, string | null>>, services: Run["services"]): string {
  const bare = (text: string): string => /\d+\.\d+(\.\d+)?/.exec(text)?.[0] ?? text;
  const programs = Object.entries(found).flatMap(([name, text]) =>
    text === null ? [] : [[name, bare(text)]],
  );
  return [...programs, ...Object.entries(services)].map((pair) => pair.join(" ")).join(", ");
}

function minutes(seconds: number | null): string {
  return seconds === null
    ? "not ended"
    : `${Math.floor(seconds / 60)}\u00a0min ${Math.round(seconds % 60)}\u00a0s`;
}

function counts(run: Run): Html[] {
  return kinds.flatMap((kind) => {
    const count = run.results.filter((result) => kindOf(result) === kind).length;
    return count > 0 ? [html`${pill(kind, `${count} ${kindText(kind, run)}`)} `] : [];
  });
}

function pill(kind: Kind, text: string): Html {
  return html`<span class="pill ${kind.replace(" ", "-")}"
    ><span aria-hidden="true">${signs[kind]}</span> ${text}</span
  >`;
}

/** Notes that a reader needs before the verdicts of a run. */
function notes(run: Run): string[] {
  const all = [
    run.emulated ? emulatedNote : undefined,
    run.clock === "instructions"
      ? "The clock counts guest instructions, not time (QEMU -icount)."
      : undefined,
    run.profile === "smoke"
      ? "A smoke run shows that everything works. Its blocks are too few for verdicts."
      : undefined,
    ...earlierText(run),
    ...controlText(run),
    ...onceText(run),
    run.lost === null ? undefined : `The run ended before its last point: ${run.lost}.`,
  ];
  return all.filter((text) => text !== undefined);
}

function note(text: string): Html {
  return html`<p class="note" role="note">${text}</p>`;
}

/** Each note once. A note that does not apply to all runs names its runs. */
function sharedNotes(runs: readonly Run[]): Html[] {
  return [...new Set(runs.flatMap(notes))].map((text) => {
    const about = runs.filter((run) => notes(run).includes(text)).map(({ runId }) => runId);
    return note(about.length === runs.length ? text : `${about.join(", ")}: ${text}`);
  });
}

function verdictTable(run: Run): Html {
  const range = forestRange(run.results);
  const absolute = run.results.some(({ value }) => value !== null);
  const hits = run.points.some(({ hitShares }) => Object.keys(hitShares).length > 0);
  return html`<div class="scroll" role="region" aria-labelledby="verdicts" tabindex="0">
      <table id="verdict-table">
        <thead>
          <tr>
            <th scope="col">Workload</th>
            <th scope="col">Arm</th>
            <th scope="col">Unit</th>
            <th scope="col">Verdict</th>
            <th scope="col" class="number">Ratio</th>
            <th scope="col" class="number">95 % interval</th>
            <th
              scope="col"
              class="number"
              title="About four of five such runs would call a difference of this factor"
            >
              Smallest detectable
            </th>
            <th scope="col" class="wide">
              <span class="axis"
                ><span>1/${digits(Math.exp(range))}</span><span>1</span
                ><span>${digits(Math.exp(range))}</span></span
              >
            </th>
            ${
              absolute
                ? html`<th scope="col" class="number">${run.baseline}</th>
                    <th scope="col" class="number">Arm</th>`
                : undefined
            }
            ${
              hits
                ? html`<th
                    scope="col"
                    class="number"
                    title="Share of look-ups of names and attributes that the kernel answered: ${run.baseline}, then the arm"
                  >
                    Hits
                  </th>`
                : undefined
            }
            <th scope="col" class="number">Noise</th>
            <th scope="col" class="number">Blocks</th>
          </tr>
        </thead>
        <tbody>
          ${run.results.map((result, index) => row(run, result, run.results.slice(0, index), { range, absolute, hits }))}
        </tbody>
      </table>
    </div>
    <p>
      <button type="button" data-copy="verdict-table">Copy the table</button>
      <span role="status" id="copied"></span>
    </p>`;
}

/** Which optional columns the table has. */
interface Columns {
  /** Half the length of the forest plot's axis, as a logarithm. */
  readonly range: number;
  readonly absolute: boolean;
  readonly hits: boolean;
}

/** @param above results in the rows above; texts that they already show are not repeated */
function row(run: Run, result: Result, above: readonly Result[], { range, absolute, hits }: Columns): Html {
  const { ratio, workload, title } = result;
  const previous = above.at(-1);
  const kind = kindOf(result);
  const facts = run.workloads.find(({ name }) => name === workload);
  const first = previous?.workload !== workload;
  const again = !first && previous.title === title;
  const separate = first ? "first" : !again && run.arms.length > 2 ? "next" : "";
  return html`<tr
    class="${separate} ${kind.replace(" ", "-")}"
    data-result="${workload}/${result.figure}/${result.arm}"
  >
    <th scope="row" title="${facts?.measures}">
      <span class="workload${first ? "" : " again"}">${workload}</span>
      <span class="${again ? "again" : ""}"
        >${title}${facts?.control ? html` <small>(control)</small>` : undefined}</span
      >
    </th>
    <td>${result.arm}</td>
    <td title="${unitText(result)}">${result.unit} ${arrow(result)}</td>
    <td>
      ${pill(kind, kind === "invalid" || kind === "none" ? kindText(kind, run) : kind)}
      ${early(run, result) === "" ? undefined : html`<small>${early(run, result)}</small>`}
    </td>
    ${ratio ? ratioCells(result, ratio, range) : html`<td class="reason" colspan="4">${above.some((other) => other.verdict === result.verdict) ? "as above" : reasonOf(result)}</td>`}
    ${
      absolute
        ? html`<td class="number">${number("baseline", result.baseline)}</td>
            <td class="number">${number("value", result.value)}</td>`
        : undefined
    }
    ${hits ? html`<td class="number">${hitText(run, result)}</td>` : undefined}
    <td class="number">${factor("noise", result.noise)}</td>
    <td class="number">${result.blocks}/${result.planned}</td>
  </tr>`;
}

function ratioCells(
  result: Result,
  { centre, low, high, least, most }: NonNullable<Result["ratio"]>,
  range: number,
): Html {
  const interval =
    low === null || high === null
      ? html`<small>blocks</small> ${number("least", least)} – ${number("most", most)}`
      : html`${number("low", low)} – ${number("high", high)}`;
  return html`<td class="number">${number("ratio", centre)}</td>
    <td class="number interval">${interval}</td>
    <td class="number">${factor("smallest", result.smallestFactor)}</td>
    <td class="wide">${forest(result, range)}</td>`;
}

/** A rounded number; the markup contains all its digits. */
function number(field: string, value: number | null | undefined): Html | undefined {
  if (value === null || value === undefined) return undefined;
  return html`<data value="${value}" data-field="${field}">${digits(value)}</data>`;
}

function factor(field: string, value: number | null): Html | undefined {
  return value === null ? undefined : html`×${number(field, value)}`;
}

/** What each arm costs over the node's own disk, in a run that measured it. */
function overDiskSection(run: Run): Html | undefined {
  const entries = overDisk(run).filter(({ times }) => Object.keys(times).length > 0);
  if (entries.length === 0) return undefined;
  const labels = run.arms
    .map(({ name }) => name)
    .filter((name) => entries.some(({ times }) => name in times));
  return html`<section aria-labelledby="over-disk">
    <h2 id="over-disk">Over the node's own disk</h2>
    <p class="lead">
      How many times longer the work takes than the same work on the node's own disk, in the same block
      (median of the blocks). 1 is as fast as the disk; 1.17 is an overhead of 17 %.
    </p>
    <div class="scroll" role="region" aria-labelledby="over-disk" tabindex="0">
      <table>
        <thead>
          <tr>
            <th scope="col">Workload</th>
            ${labels.map((label) => html`<th scope="col" class="number">${label}</th>`)}
          </tr>
        </thead>
        <tbody>
          ${entries.map(
            ({ workload, title, times }) =>
              html`<tr>
                <th scope="row">${workload} ${title}</th>
                ${labels.map(
                  (label) =>
                    html`<td class="number">${times[label] === undefined ? "" : digits(times[label])}</td>`,
                )}
              </tr>`,
          )}
        </tbody>
      </table>
    </div>
  </section>`;
}

function chartSections(run: Run): Html {
  return html`<section aria-labelledby="charts">
      <h2 id="charts">Block by block</h2>
      <p>
        <label
          >Figure
          <select id="figure"></select
        ></label>
      </p>
      <figure>
        <figcaption>
          Ratio to the baseline in each block; line and band are centre (the figure beside the name) and 95 %
          interval
        </figcaption>
        <div class="chart" id="chart-blocks" role="img"></div>
      </figure>
      <figure>
        <figcaption>
          Share of operations that took no longer (all blocks and clients), at the middles of the histogram's
          buckets: a latency is at most 6 % off
        </figcaption>
        <div class="chart" id="chart-latency" role="img"></div>
      </figure>
      <details>
        <summary>The numbers behind the first chart</summary>
        <div class="scroll" role="region" aria-label="Ratios by block" tabindex="0">
          <table id="block-table"></table>
        </div>
      </details>
    </section>
    <section aria-labelledby="iostat">
      <h2 id="iostat">Machines during the timed windows</h2>
      <p class="lead">
        iostat at 1 s on each client. A shaded area is a timed window; point at it to see its name.
      </p>
      <div id="iostat-charts"></div>
      ${iostatGaps(run.points)}
    </section>`;
}

/** The points without samples, or with too few: one line for each workload, client and reason. */
function iostatGaps(points: Run["points"]): Html | undefined {
  const places = new Map<string, string[]>();
  for (const point of points)
    for (const [client, reason] of Object.entries(point.iostatGaps)) {
      const line = `${point.workload} on ${client}: ${reason}`;
      places.set(line, [...(places.get(line) ?? []), `${placeOf(point)}, ${point.label}`]);
    }
  if (places.size === 0) return undefined;
  return html`<details>
    <summary>Points without samples, or with fewer</summary>
    <ul id="iostat-gaps">
      ${[...places].map(([line, where]) => html`<li>${line} (${where.join("; ")})</li>`)}
    </ul>
  </details>`;
}

const placeOf = ({ warmUp, block }: Run["points"][number]): string => (warmUp ? "warm-up" : `block ${block}`);

function about(run: Run): Html {
  const invalid = run.points.filter((point) => reasons(point).length > 0);
  return html`<section aria-labelledby="about">
    <h2 id="about">What was run</h2>
    <h3>Arms</h3>
    <dl class="facts wide">
      ${run.arms.map(
        ({ name, title, programs, count }) =>
          html`<div>
            <dt>${name}</dt>
            <dd>
              ${title}${
                count === null
                  ? undefined
                  : html`<br /><small
                        >${count} runs in the timed windows;
                        ${programs.map((program) => `${program.name} ${program.tag}`).join(", ")}</small
                      >`
              }
            </dd>
          </div>`,
      )}
      <div>
        <dt>${run.repeat}</dt>
        <dd>the baseline a second time in each block: the pair shows the noise</dd>
      </div>
    </dl>
    <h3>Workloads</h3>
    <dl class="facts wide">
      ${run.workloads.map(
        ({ name, measures, caches, parameters }) =>
          html`<div>
            <dt>${name}</dt>
            <dd>
              ${measures}<br /><small
                >${caches};
                ${Object.entries(parameters)
                  .map(([key, value]) => `${key} ${String(value)}`)
                  .join(", ")}</small
              >
            </dd>
          </div>`,
      )}
    </dl>
    <h3>Machines</h3>
    <div class="scroll" role="region" aria-label="Machines" tabindex="0">
      <table>
        <thead>
          <tr>
            ${["Name", "CPU", "CPUs", "Memory", "Virtualization", "Governor", "SMT", "Clock source", "Kernel", "Boot"].map((title) => html`<th scope="col">${title}</th>`)}
          </tr>
        </thead>
        <tbody>
          ${run.machines.map(
            (machine) =>
              html`<tr>
                <th scope="row">${machine.name}</th>
                <td>${machine.cpu ?? "unknown"}</td>
                <td>${machine.cpus ?? "unknown"}</td>
                <td>
                  ${machine.memoryKiB === null ? "unknown" : `${(machine.memoryKiB / 1024 ** 2).toFixed(1)} GiB`}
                </td>
                <td>${machine.virtualization ?? "unknown"}</td>
                <td>${machine.governor ?? "unknown"}</td>
                <td>${machine.smt ?? "unknown"}</td>
                <td>${machine.clocksource ?? "unknown"}</td>
                <td>${machine.kernel}</td>
                <td title="${machine.bootId}">${machine.bootId.slice(0, 8)}</td>
              </tr>`,
          )}
        </tbody>
      </table>
    </div>
    <h3>Settings</h3>
    <pre>${JSON.stringify(run.settings, undefined, 1)}</pre>
    ${invalid.length > 0 ? invalidPoints(invalid) : html`<p>All ${run.points.length} points are valid.</p>`}
    <p>
      <small>This page was made from the files in raw/ next to it: ./lab report ${run.runId}</small>
    </p>
  </section>`;
}

/** Why a point has no figures, or not all. */
const reasons = ({ invalid, tooLittle }: Run["points"][number]): readonly string[] =>
  invalid === null ? Object.values(tooLittle) : [invalid];

function invalidPoints(points: Run["points"]): Html {
  return html`<h3>Invalid points</h3>
    <ul>
      ${points.map(
        (point) =>
          html`<li>${placeOf(point)}, ${point.label}, ${point.workload}: ${reasons(point).join("; ")}</li>`,
      )}
    </ul>`;
}

/** The metrics during one run, or during several runs side by side. A section is drawn when it is opened. */
function metricsSection(watched: readonly MetricsData[], runs: number): Html | undefined {
  if (watched.length === 0) return undefined;
  const names = [...new Set(watched.flatMap(({ panels }) => panels.map(({ section }) => section)))];
  const missing = runs - watched.length;
  return html`<section aria-labelledby="metrics">
    <h2 id="metrics">Metrics during the ${runs === 1 ? "run" : "runs"}</h2>
    <p class="lead">
      Metrics that Prometheus collected on all nodes (setting monitoring). The shaded areas are the timed
      windows, in the colour of their arm; point at one to see arm and workload.
      ${runs > 1 ? "Runs are side by side with the same axes, each from its own start." : undefined}
      ${missing > 0 ? `${missing} of the runs had no monitoring.` : undefined}
    </p>
    ${names.map(
      (name) =>
        html`<details class="metrics" data-section="${name}">
          <summary>${name}</summary>
          <div class="panels"></div>
        </details>`,
    )}
  </section>`;
}

function comparison(analyses: readonly Watched[]): string {
  const runs = analyses.map(({ run }) => run);
  const watched = analyses.map(metricsData).filter((each) => each !== undefined);
  const keys = [...new Set(runs.flatMap((run) => run.results.map((result) => keyOf(run, result))))];
  const alike = new Set(runs.map(({ settingsHash }) => settingsHash)).size === 1;
  return page(
    `Comparison of ${runs.length} benchmarks`,
    html`<header>
        <p class="eyebrow">disgrafs-lab benchmark</p>
        <h1>${runs.length} runs compared</h1>
      </header>
      ${sharedNotes(runs)}
      ${alike ? undefined : html`<p class="note" role="note">The runs had different settings: differences between columns have more than one reason.</p>`}
      <section aria-labelledby="verdicts">
        <h2 id="verdicts">Verdicts</h2>
        <p class="lead">
          Ratio of each arm to the baseline of its own run, with 95 % interval. Figures of different runs are
          never divided by each other: they come from different boots.
        </p>
        <div class="scroll" role="region" aria-labelledby="verdicts" tabindex="0">
          <table id="verdict-table">
            <thead>
              <tr>
                <th scope="col">Workload</th>
                <th scope="col">Arm</th>
                <th scope="col">Unit</th>
                ${runs.map((run) => html`<th scope="col">${run.runId}<br /><small>${run.machines[0]?.kernel ?? ""}</small></th>`)}
              </tr>
            </thead>
            <tbody>
              ${keys.map((key) => {
                const found = runs.map((run) => ({
                  run,
                  result: run.results.find((result) => keyOf(run, result) === key),
                }));
                const any = found.find(({ result }) => result !== undefined);
                return html`<tr>
                  <th scope="row">
                    ${any?.result?.workload} ${any?.result?.title}${any && variant(runs, any.run, any.result)}
                  </th>
                  <td>${any?.result?.arm}</td>
                  <td>${any?.result && unitText(any.result)}</td>
                  ${found.map(({ run, result }) => comparisonCell(run, result))}
                </tr>`;
              })}
            </tbody>
          </table>
        </div>
        <p>
          <button type="button" data-copy="verdict-table">Copy the table</button>
          <span role="status" id="copied"></span>
        </p>
      </section>
      ${metricsSection(watched, runs.length)}`,
    watched.length > 0 ? { metrics: watched } : undefined,
  );
}

const parametersOf = (run: Run, { workload }: Result): string =>
  Object.entries(run.workloads.find(({ name }) => name === workload)?.parameters ?? {})
    .map(([key, value]) => `${key} ${String(value)}`)
    .join(", ");

/** Identifies a row: only the same work shares a row, because a walk of twenty files is not a walk of ten thousand. */
const keyOf = (run: Run, result: Result): string =>
  `${rowName(result)} ${result.unit} ${parametersOf(run, result)}`;

/** The parameters of a row, if the runs differ in them. */
function variant(runs: readonly Run[], run: Run, result: Result | undefined): Html | undefined {
  if (!result) return undefined;
  const all = runs.flatMap((other) =>
    other.results
      .filter((candidate) => rowName(candidate) === rowName(result))
      .map((candidate) => parametersOf(other, candidate)),
  );
  return new Set(all).size > 1 ? html`<br /><small>${parametersOf(run, result)}</small>` : undefined;
}

function comparisonCell(run: Run, result: Result | undefined): Html {
  if (!result) return html`<td>not run</td>`;
  const { ratio, smallestFactor } = result;
  const kind = kindOf(result);
  const detectable = kind === "undetermined" ? smallestFactor : null;
  return html`<td>
    ${pill(kind, kindText(kind, run))}${ratio ? undefined : html`<br /><span class="reason">${reasonOf(result)}</span>`}${ratio ? html`<br />${number("ratio", ratio.centre)} <small>${digits(ratio.low ?? ratio.least)} – ${digits(ratio.high ?? ratio.most)}</small>` : undefined}${detectable === null ? undefined : html`<br /><small>detectable from ×${digits(detectable)}</small>`}
  </td>`;
}

const beside = (name: string): string => readFileSync(new URL(name, import.meta.url), "utf8");

function page(title: string, body: Html, data: unknown): string {
  // ECharts' smaller build, with lines and scatter: 0.7 MB.
  const echarts = readFileSync(
    createRequire(import.meta.url).resolve("echarts/dist/echarts.common.min.js"),
    "utf8",
  );
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta
          http-equiv="Content-Security-Policy"
          content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"
        />
        <meta name="color-scheme" content="light dark" />
        <title>${title}</title>
        <style>
          ${new Html(beside("./style.css"))}
        </style>
      </head>
      <body>
        <main>${body}</main>
        ${
          data === undefined
            ? undefined
            : html`<script type="application/json" id="data">
                  ${jsonText(data)}
                </script>
                <script>
                  ${scriptText(echarts)};
                </script>`
        }
        <script>
          ${scriptText(beside("../../provisioning/monitoring/page/units.js"))};
        </script>
        <script>
          ${scriptText(beside("./page.js"))};
        </script>
      </body>
    </html> `.text;
}
