/** Texts about a run, shared by the terminal and the report. */
import { rowName, verdictWords, type Result, type Run } from "./run.ts";

export const kinds = [...verdictWords, "invalid", "none"] as const;
/** A verdict without its reason; "none" if the profile gives no verdicts. */
export type Kind = (typeof kinds)[number];

export function kindOf({ verdict }: Pick<Result, "verdict">): Kind {
  if (verdict === null) return "none";
  return verdictWords.find((word) => word === verdict) ?? "invalid";
}

/** A sign for each kind, so that colour is never the only indication. */
export const signs = {
  better: "▲",
  worse: "▼",
  "no difference": "=",
  undetermined: "?",
  invalid: "!",
  none: "·",
} as const satisfies Record<Kind, string>;

/** The displayed text of a kind. */
export function kindText(kind: Kind, { marginPercent }: Pick<Run, "marginPercent">): string {
  if (kind === "no difference") return `no difference beyond ±${digits(marginPercent)} %`;
  return kind === "invalid" ? "INVALID" : kind === "none" ? "no verdict" : kind;
}

/** The reason in INVALID(reason). */
export function reasonOf({ verdict }: Pick<Result, "verdict">): string {
  return /^INVALID\((.*)\)$/s.exec(verdict ?? "")?.[1] ?? "";
}

/** "ops/s, higher is better". */
export function unitText({ unit, better }: Pick<Result, "unit" | "better">): string {
  return `${unit}, ${better} is better`;
}

/** The direction of a unit that is better. */
export function arrow({ better }: Pick<Result, "better">): string {
  return better === "higher" ? "↑" : "↓";
}

/** "after 10 blocks", of a verdict that was reached before the last look, from whose blocks the ratio is; else empty. */
export function early({ look }: Pick<Run, "look">, { decidedAt }: Pick<Result, "decidedAt">): string {
  return decidedAt !== null && decidedAt < look ? `after ${decidedAt} blocks` : "";
}

/** "0.36 [0.10, 1.24]", or the range of the blocks if there are too few for an interval. */
export function ratioText({ centre, low, high, least, most }: NonNullable<Result["ratio"]>): string {
  return low === null || high === null
    ? `${digits(centre)} (blocks ${digits(least)} to ${digits(most)})`
    : `${digits(centre)} [${digits(low)}, ${digits(high)}]`;
}

const three = new Intl.NumberFormat("en-US", { maximumSignificantDigits: 3 });

/** A number with three significant digits, without an exponent in the range of figures here. */
export function digits(value: number): string {
  return value === 0 || Math.abs(value) >= 1e-4 ? three.format(value) : value.toExponential(2);
}

/**
 * Shares of a figure's look-ups of names and attributes that the kernel answered, in percent, means of the valid points: of the
 * baseline and of the row's arm. Empty where they are not known, as off the mount.
 */
export function hitText(run: Run, { workload, figure, arm }: Result): string {
  const mean = (wanted: string): number | undefined => {
    const shares = run.points.flatMap((point) =>
      point.workload === workload && point.arm === wanted && !point.warmUp
        ? (point.hitShares[figure] ?? [])
        : [],
    );
    return shares.length === 0 ? undefined : shares.reduce((sum, share) => sum + share, 0) / shares.length;
  };
  const [before, after] = [mean(run.baseline), mean(arm)];
  return before === undefined || after === undefined ? "" : `${percent(before)} → ${percent(after)}`;
}

/** Rounded down, so that only all is 100 %. */
function percent(share: number): string {
  return `${Math.floor(share * 1000) / 10} %`;
}

/** A warning if the control differs, because no arm changes it. */
export function controlText(run: Run): string[] {
  const controls = run.workloads.filter(({ control }) => control).map(({ name }) => name);
  const differs = run.results
    .filter(
      ({ workload, verdict }) => controls.includes(workload) && ["better", "worse"].includes(verdict ?? ""),
    )
    .map(({ workload, title, arm, verdict }) => `${workload} ${title} is ${verdict} in ${arm}`);
  if (differs.length === 0) return [];
  return [
    `${differs.join(", ")}. No arm changes the control: something else differed between the arms, and other verdicts may have the same cause`,
  ];
}

/** A line on whether the workloads that are not compared work. */
export function onceText(run: Run): string[] {
  const tried = run.workloads
    .filter(({ once }) => once)
    .map(({ name }) => {
      const points = run.points.filter(({ workload }) => workload === name);
      const invalid = points.length === 0 ? "not measured" : points.find((point) => point.invalid)?.invalid;
      return `${name} ${invalid ? `INVALID(${invalid})` : "works"}`;
    });
  return tried.length === 0 ? [] : [`run once, not compared: ${tried.join(", ")}`];
}

export const emulatedNote =
  "The machines are emulated: only ratios are shown, and they are those of an emulator.";

/** Earlier runs of the same settings, because a user may have repeated a run until a result pleased. */
export function earlierText({ earlierRuns }: Run): string[] {
  const count = earlierRuns.length + 1;
  return count === 1
    ? []
    : [
        `${ordinal(count)} run of these settings here (before it: ${earlierRuns.map(({ runId }) => runId).join(", ")}). Each repetition is another chance of a false verdict`,
      ];
}

/** "2nd". */
export function ordinal(count: number): string {
  const endings = { one: "st", two: "nd", few: "rd", other: "th" } as Record<Intl.LDMLPluralRule, string>;
  return `${count}${endings[new Intl.PluralRules("en-US", { type: "ordinal" }).select(count)]}`;
}

/** "10 blocks", or the look at which a run ended. */
export function blocksText({ looks, look, results }: Run): string {
  const last = looks.at(-1) ?? look;
  const measured = Math.max(look, ...results.map(({ planned }) => planned));
  return looks.length === 1 ? `${measured} blocks` : `${measured} of at most ${last} blocks`;
}

/** Whether a row was requested by name. */
export function isAsked(run: Run, result: Result): boolean {
  return run.rows.includes(rowName(result));
}
