/** The page for first-time readers of a report: explains each verdict with rows of the run as examples. */
import type { Result, Run } from "../run.ts";
import { digits, kindOf, kindText, ratioText, reasonOf, unitText, type Kind } from "../words.ts";
import { html, type Html } from "./html.ts";

export function howToRead(run: Run): Html {
  const margin = digits(run.marginPercent);
  return html`<header>
      <p class="eyebrow">disgrafs-lab benchmark</p>
      <h1>How to read ${run.runId}</h1>
      <p class="lead"><a href="report.html">Back to the report</a></p>
    </header>
    <section aria-labelledby="question">
      <h2 id="question">The question</h2>
      <p>
        An <b>arm</b> is one change to the cluster. The <b>baseline</b>, ${run.baseline}, is the cluster
        without it. Every <b>block</b> measures each arm once and the baseline twice, in a different order, so
        that what changes slowly on a machine (a cache that fills, a neighbour that works) reaches all arms
        alike. A row of the table answers: is this figure different with the arm?
      </p>
    </section>
    <section aria-labelledby="ratio">
      <h2 id="ratio">Ratio</h2>
      <p>
        In each block the arm's figure is divided by the geometric mean of the two baselines. The ratio is the
        centre of these, and the 95 % interval is where the true ratio lies, nineteen times of twenty. A
        figure is a rate (ops/s, files/s, MB/s: more is better), a time (us: less is better) or a number of
        requests (requests/file: less is better). A ratio of 0.5 is half of a rate, which is bad, or half of a
        time, which is good: twice as fast.
      </p>
      ${example(
        run,
        telling(run, ({ unit }) => unit === "us"),
      )}
      ${example(
        run,
        telling(run, ({ unit }) => unit !== "us"),
      )}
    </section>
    <section aria-labelledby="verdict">
      <h2 id="verdict">Verdict</h2>
      <dl class="facts wide">
        ${explained(run, "better", `The figure is better with the arm, and chance does not explain it. The whole interval is more than ${margin} % from 1.`)}
        ${explained(run, "worse", `The figure is worse with the arm, and chance does not explain it. The whole interval is more than ${margin} % from 1.`)}
        ${explained(run, "no difference", `The true ratio is proven to be within ${margin} % of 1. This is a finding, not a lack of one.`)}
        ${explained(
          run,
          "undetermined",
          "The run could not tell. It does not mean “no difference”: the interval says how large it may be. “Smallest detectable” is the factor that about four of five such runs would have called. More blocks detect smaller differences.",
        )}
        ${explained(run, "invalid", "Something spoiled too many blocks, or one was too slow or too fast for a figure: without it, the others would be a biased selection. The reason is given.")}
        ${explained(run, "none", "This profile has too few blocks for verdicts: it shows that everything works.")}
      </dl>
      <p>
        A table of many rows gives chance many tries. So the whole table is judged together: at most
        ${digits(100 * (run.analysis.levels.difference + run.analysis.levels.same))} of 100 runs hold a false
        verdict, unless the noise of an arm itself is skewed. A false verdict is “better” or “worse” where
        there is no difference at all, or “no difference” where the true ratio is more than ${margin} % from
        1. A true difference smaller than that may be called “better” or “worse”: that is not counted.
      </p>
    </section>
    <section aria-labelledby="mistakes">
      <h2 id="mistakes">Mistakes to avoid</h2>
      <ul>
        <li>Do not read “undetermined” as “the same”.</li>
        <li>Do not divide figures of two runs: they come from different boots. Compare ratios.</li>
        <li>Do not run again until a verdict pleases. The report counts the runs.</li>
        <li>
          Do not quote the ratio of a run that ended early as exact: a row is decided early where chance has
          made its difference look larger. That it differs, and in which direction, holds.
        </li>
        <li>
          Do not carry a ratio to another machine.
          ${run.emulated ? "These machines were emulated: the ratio is that of an emulator." : undefined}
        </li>
        <li>
          Look at “Hits” before you call one arm faster: it is the share of look-ups of names and attributes
          that the kernel answered. Other requests, such as open, reach JuiceFS all the same. Where it
          differs, the ratio is that of two mixtures of hits and misses.
        </li>
        <li>Look at <i>control</i> first. No arm changes it; if it differs, something else has changed.</li>
      </ul>
    </section>`;
}

/** A row with a ratio as an example: one with a difference, if there is any. */
function telling(run: Run, wanted: (result: Result) => boolean): Result | undefined {
  const rows = run.results.filter((result) => wanted(result) && result.ratio);
  return rows.find((result) => ["better", "worse"].includes(kindOf(result))) ?? rows[0];
}

function explained(run: Run, kind: Kind, text: string): Html {
  const own = run.results.find((result) => kindOf(result) === kind);
  return html`<div>
    <dt>${kindText(kind, run)}</dt>
    <dd>${text} ${own ? example(run, own) : html`<br /><small>No row of this run.</small>`}</dd>
  </div>`;
}

function example(run: Run, result: Result | undefined): Html | undefined {
  if (!result) return undefined;
  const { workload, title, arm, ratio, smallestFactor } = result;
  const facts = [
    ratio ? `ratio ${ratioText(ratio)}` : reasonOf(result),
    ratio ? `so ${inWords(result, ratio.centre)}` : undefined,
    kindOf(result) === "undetermined" && smallestFactor !== null
      ? `detectable from ×${digits(smallestFactor)}`
      : undefined,
  ];
  return html`<p class="example">
    <b>${workload} ${title}</b> (${unitText(result)}) in ${arm} against ${run.baseline}:
    ${facts.filter((fact) => fact !== undefined).join(", ")}.
  </p>`;
}

/** "1.57 times as much in the same time (better)": with the last word only if that is the verdict. */
function inWords(result: Result, centre: number): string {
  const kind = kindOf(result);
  const called = kind === "better" || kind === "worse" ? ` (${kind})` : "";
  const times = `${digits(centre)} times`;
  if (result.unit === "us") return `an operation takes ${times} as long${called}`;
  if (result.unit === "requests/file") return `${times} as many requests for each file${called}`;
  return `${times} as much in the same time${called}`;
}
