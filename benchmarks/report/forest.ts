/** The drawing in each row of the verdict table: interval and centre of a ratio over the noise band, on a log scale. */
import { html, type Html } from "./html.ts";
import type { Result } from "../run.ts";

const width = 200;
const height = 26;
/** Ratios beyond this factor are drawn as an arrow at the edge. */
const widest = Math.log(16);
const narrowest = Math.log(1.1);

/** Half the length of the axis as a log-ratio, the same for all rows of a table. */
export function forestRange(results: readonly Result[]): number {
  const ends = results.flatMap(({ ratio, noise }) => [
    ...(ratio ? endsOf(ratio).map((end) => Math.abs(Math.log(end))) : []),
    ...(noise === null ? [] : [Math.log(noise)]),
  ]);
  return Math.min(widest, Math.max(narrowest, ...ends));
}

/** Ends of the interval, or of the range of the blocks if there are too few for an interval. */
function endsOf({ low, high, least, most }: NonNullable<Result["ratio"]>): [number, number] {
  return [low ?? least, high ?? most];
}

export function forest(result: Result, range: number): Html | undefined {
  const { ratio, noise } = result;
  if (!ratio) return undefined;
  const [from, to] = endsOf(ratio);
  const clamp = (log: number): number => Math.max(-range, Math.min(range, log));
  const place = (log: number): string => (width / 2 + (clamp(log) / range) * (width / 2 - 8)).toFixed(1);
  const [low, centre, high] = [from, ratio.centre, to].map(Math.log) as [number, number, number];
  const floor = Math.log(noise ?? 1);
  const middle = height / 2;
  const arrow = (at: number, direction: 1 | -1): Html =>
    html`<path d="M${place(at)} ${middle} l${-6 * direction} -4 v8 z" />`;
  return html`<svg
    class="forest"
    viewBox="0 0 ${width} ${height}"
    width="${width}"
    height="${height}"
    aria-hidden="true"
  >
    <rect
      class="band"
      x="${place(-floor)}"
      y="3"
      width="${(Number(place(floor)) - Number(place(-floor))).toFixed(1)}"
      height="${height - 6}"
    />
    <line class="one" x1="${width / 2}" x2="${width / 2}" y1="0" y2="${height}" />
    <g class="mark">
      <line x1="${place(low)}" x2="${place(high)}" y1="${middle}" y2="${middle}" />
      ${low < -range ? arrow(-range, -1) : undefined}${high > range ? arrow(range, 1) : undefined}
      <circle cx="${place(centre)}" cy="${middle}" r="4" />
    </g>
  </svg>`;
}
