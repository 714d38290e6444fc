/** The report: one HTML file that opens from disk without a network. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { Analysis } from "../analyse.ts";
import { controlText, emulatedNote, digits, onceText } from "../results.ts";
import type { Result, Run } from "../run.ts";
import { profiles } from "../workloads.ts";
import { chartData } from "./chartData.ts";
import { forest, forestRange } from "./forest.ts";
import { Html, html, jsonText, scriptText } from "./html.ts";

/** Render one run with its charts, or a comparison of several runs. */
export function renderReport(analyses: readonly Analysis[]): string {
  const [first] = analyses;
  if (!first) throw new Error("a report needs a run");
  return analyses.length === 1 ? single(first) : comparison(analyses.map(({ run }) => run));
}

function single(analysis: Analysis): string {
  const { run } = analysis;
  const data = chartData(analysis);
  return page(
    `Benchmark ${run.runId}`,
    html`${header(run)} ${notes(run).map(note)}
      <section aria-labelledby="verdicts">
        <h2 id="verdicts">Verdicts</h2>
        <p class="lead">
          Each arm against <b>${run.baseline}</b> in the same block. A difference counts only when its 95 %
          interval excludes 1 and its centre lies outside the grey band: what ${run.baseline} shows against
          itself.
        </p>
        ${verdictTable(run)}
      </section>
      ${chartSections(run)} ${about(run)}`,
    data,
  );
}

function costSoFar({ hours, usd }: NonNullable<Run["usage"]>): string {
  return `${usd === "unknown" ? "unknown price" : `about ${usd.toFixed(2)} USD`}, in ${hours.toFixed(1)} h since its first up`;
}

function header(run: Run): Html {
  const machine = run.machines[0];
  const facts: readonly [string, string | undefined][] = [
    ["Profile", `${run.profile}: ${profiles[run.profile].title}`],
    ["Clients", `${run.machines.length} × ${machine?.cpus ?? "?"} CPUs, Linux ${machine?.kernel ?? "?"}`],
    ["Versions", machine ? versions(machine.versions, run.services) : undefined],
    ["When", `${run.started.slice(0, 16).replace("T", " ")} UTC, ${minutes(run.seconds)}`],
    ["Stack", run.stack ?? undefined],
    ["Lab's cost so far", run.usage ? costSoFar(run.usage) : undefined],
    [
      "Commit",
      run.commit === null ? undefined : `${run.commit.slice(0, 12)}${run.dirty ? ", with changes" : ""}`,
    ],
    ["Settings", `${run.settingsHash}, seed ${run.seed}`],
  ];
  return html`<header>
    <p class="eyebrow">disgrafs-lab benchmark</p>
    <h1>${run.runId}</h1>
    <p class="counts">${counts(run.results)}</p>
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

/** Programs of a client by the number alone, then the services as they name themselves. */
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

const kinds = ["better", "worse", "within noise", "invalid"] as const;
type Kind = (typeof kinds)[number];

function kindOf(verdict: string): Kind {
  return kinds.find((kind) => kind === verdict) ?? "invalid";
}

function counts(results: readonly Result[]): Html[] {
  return kinds.flatMap((kind) => {
    const count = results.filter(({ verdict }) => kindOf(verdict) === kind).length;
    return count > 0 ? [html`${pill(kind, `${count} ${kind}`)} `] : [];
  });
}

function pill(kind: Kind, text: string): Html {
  const sign = { better: "▲", worse: "▼", "within noise": "≈", invalid: "!" }[kind];
  return html`<span class="pill ${kind.replace(" ", "-")}"
    ><span aria-hidden="true">${sign}</span> ${text}</span
  >`;
}

/** What to know before reading the verdicts of a run. */
function notes(run: Run): string[] {
  const all = [
    run.emulated ? `${emulatedNote} Absolute figures are left out.` : undefined,
    run.clock === "instructions"
      ? "The clock counts guest instructions, not time (QEMU -icount)."
      : undefined,
    run.profile === "smoke"
      ? "A smoke run shows that everything works. Its few short blocks are no result."
      : undefined,
    ...controlText(run),
    ...onceText(run),
    run.lost === null ? undefined : `The run ended before its last point: ${run.lost}.`,
  ];
  return all.filter((text) => text !== undefined);
}

function note(text: string): Html {
  return html`<p class="note" role="note">${text}</p>`;
}

/** Each note once, with the runs that it is about unless that is all of them. */
function sharedNotes(runs: readonly Run[]): Html[] {
  return [...new Set(runs.flatMap(notes))].map((text) => {
    const about = runs.filter((run) => notes(run).includes(text)).map(({ runId }) => runId);
    return note(about.length === runs.length ? text : `${about.join(", ")}: ${text}`);
  });
}

function verdictTable(run: Run): Html {
  const range = forestRange(run.results);
  const absolute = run.results.some(({ value }) => value !== null);
  return html`<div class="scroll" role="region" aria-labelledby="verdicts" tabindex="0">
      <table id="verdict-table">
        <thead>
          <tr>
            <th scope="col">Workload</th>
            <th scope="col">Arm</th>
            <th scope="col">Verdict</th>
            <th scope="col" class="number">Ratio</th>
            <th scope="col" class="number">95 % interval</th>
            <th scope="col" class="wide">
              <span class="axis"
                ><span>1/${digits(Math.exp(range))}</span><span>1</span
                ><span>${digits(Math.exp(range))}</span></span
              >
            </th>
            ${
              absolute
                ? html`<th scope="col" class="number">${run.baseline}</th>
                    <th scope="col" class="number">Arm</th>
                    <th scope="col">Unit</th>`
                : undefined
            }
            <th scope="col" class="number">Noise</th>
            <th scope="col" class="number">Blocks</th>
          </tr>
        </thead>
        <tbody>
          ${run.results.map((result, index) => row(run, result, run.results.slice(0, index), range, absolute))}
        </tbody>
      </table>
    </div>
    <p>
      <button type="button" data-copy="verdict-table">Copy the table</button>
      <span role="status" id="copied"></span>
    </p>`;
}

/** @param above the results in the rows above, whose words are not said again */
function row(run: Run, result: Result, above: readonly Result[], range: number, absolute: boolean): Html {
  const { ratio, verdict, workload, title } = result;
  const previous = above.at(-1);
  const kind = kindOf(verdict);
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
    <td>${pill(kind, kind)}</td>
    ${ratio ? ratioCells(result, ratio, range) : html`<td class="reason" colspan="3">${above.some((other) => other.verdict === verdict) ? "as above" : reasonOf(verdict)}</td>`}
    ${
      absolute
        ? html`<td class="number">${number("baseline", result.baseline)}</td>
            <td class="number">${number("value", result.value)}</td>
            <td>${result.unit}</td>`
        : undefined
    }
    <td class="number">${result.noise === null ? undefined : html`×${number("noise", result.noise)}`}</td>
    <td class="number">${result.blocks}/${result.planned}</td>
  </tr>`;
}

function ratioCells(
  result: Result,
  { centre, low, high }: NonNullable<Result["ratio"]>,
  range: number,
): Html {
  return html`<td class="number">${number("ratio", centre)}</td>
    <td class="number interval">${number("low", low)} – ${number("high", high)}</td>
    <td class="wide">${forest(result, range)}</td>`;
}

/** What stands in the brackets of INVALID(reason). */
function reasonOf(verdict: string): string {
  return /^INVALID\((.*)\)$/s.exec(verdict)?.[1] ?? verdict;
}

/** A number as people read it, with all its digits in the markup. */
function number(field: string, value: number | null | undefined): Html | undefined {
  if (value === null || value === undefined) return undefined;
  return html`<data value="${value}" data-field="${field}">${digits(value)}</data>`;
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
        <figcaption>Share of operations that took no longer (all blocks and clients)</figcaption>
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
        iostat at 1 s on each client. A shaded stripe is a timed window; point at it for its name.
      </p>
      <div id="iostat-charts"></div>
      ${iostatGaps(run.points)}
    </section>`;
}

/** Which points have no samples, or fewer than they should: one line for each workload, client and reason. */
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
  const invalid = run.points.filter((point) => point.invalid !== null);
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
        <dd>the baseline once more in each block: the pair gives the noise</dd>
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
            ${["Name", "CPU", "CPUs", "Memory", "Virtualization", "Governor", "SMT", "Clock source", "Kernel"].map((title) => html`<th scope="col">${title}</th>`)}
          </tr>
        </thead>
        <tbody>
          ${run.machines.map(
            (machine) =>
              html`<tr>
                <th scope="row">${machine.name}</th>
                <td>${machine.cpu ?? "not told"}</td>
                <td>${machine.cpus ?? "not told"}</td>
                <td>
                  ${machine.memoryKiB === null ? "not told" : `${(machine.memoryKiB / 1024 ** 2).toFixed(1)} GiB`}
                </td>
                <td>${machine.virtualization ?? "not told"}</td>
                <td>${machine.governor ?? "not told"}</td>
                <td>${machine.smt ?? "not told"}</td>
                <td>${machine.clocksource ?? "not told"}</td>
                <td>${machine.kernel}</td>
              </tr>`,
          )}
        </tbody>
      </table>
    </div>
    <h3>Settings</h3>
    <pre>${JSON.stringify(run.settings, undefined, 1)}</pre>
    ${invalid.length > 0 ? invalidPoints(invalid) : html`<p>All ${run.points.length} points are valid.</p>`}
    <p>
      <small>Everything here is made from the files in raw/ beside this one: ./lab report ${run.runId}</small>
    </p>
  </section>`;
}

function invalidPoints(points: Run["points"]): Html {
  return html`<h3>Invalid points</h3>
    <ul>
      ${points.map(
        (point) => html`<li>${placeOf(point)}, ${point.label}, ${point.workload}: ${point.invalid}</li>`,
      )}
    </ul>`;
}

function comparison(runs: readonly Run[]): string {
  const keys = [...new Set(runs.flatMap(({ results }) => results.map(keyOf)))];
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
                ${runs.map((run) => html`<th scope="col">${run.runId}<br /><small>${run.machines[0]?.kernel ?? ""}</small></th>`)}
              </tr>
            </thead>
            <tbody>
              ${keys.map((key) => {
                const cells = runs.map(({ results }) => results.find((result) => keyOf(result) === key));
                const any = cells.find((cell) => cell !== undefined);
                return html`<tr>
                  <th scope="row">${any?.workload} ${any?.title}</th>
                  <td>${any?.arm}</td>
                  ${cells.map(comparisonCell)}
                </tr>`;
              })}
            </tbody>
          </table>
        </div>
        <p>
          <button type="button" data-copy="verdict-table">Copy the table</button>
          <span role="status" id="copied"></span>
        </p>
      </section>`,
    undefined,
  );
}

const keyOf = ({ workload, figure, arm }: Result): string => `${workload}/${figure}/${arm}`;

function comparisonCell(result: Result | undefined): Html {
  if (!result) return html`<td>not run</td>`;
  const { ratio, verdict } = result;
  const kind = kindOf(verdict);
  return html`<td>
    ${pill(kind, kind)}${ratio ? undefined : html`<br /><span class="reason">${reasonOf(verdict)}</span>`}${ratio ? html`<br />${number("ratio", ratio.centre)} <small>${digits(ratio.low)} – ${digits(ratio.high)}</small>` : undefined}
  </td>`;
}

const beside = (name: string): string => readFileSync(new URL(name, import.meta.url), "utf8");

function page(title: string, body: Html, data: unknown): string {
  // ECharts' build with lines, scatter and what they need: 0.7 MB.
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
          ${scriptText(beside("./page.js"))};
        </script>
      </body>
    </html> `.text;
}
