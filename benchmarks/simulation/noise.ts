/** Kinds of benchmark noise, which a simulated run adds to the true values, on a log scale. */
import { normal, type Random } from "../random.ts";

/** Noise of one figure, turn by turn in the order of the run. */
export type Noise = (isArm: boolean) => number;

export interface NoiseModel {
  readonly title: string;
  /** A figure's noise in one run. */
  readonly begin: (random: Random) => Noise;
}

const spread = 0.3;

const independent =
  (baseline: number, arm: number) =>
  (random: Random): Noise =>
  (isArm) =>
    (isArm ? arm : baseline) * normal(random);

/** Each turn is slower than the previous one by `step`. */
const drifting =
  (deviation: number, step: number) =>
  (random: Random): Noise => {
    let turn = 0;
    return () => deviation * normal(random) - step * turn++;
  };

/** Exponential noise with a Hodges-Lehmann centre of 0, so that the true ratio is 1. */
const exponential = (random: Random): number => -Math.log(1 - random()) - 0.8392;

export const noiseModels = {
  lognormal: { title: "lognormal, 30 %", begin: independent(spread, spread) },
  drift: { title: "drift of 5 % a turn, 10 % lognormal", begin: drifting(0.1, 0.05) },
  autoregressive: {
    title: "AR(1) from turn to turn, 0.8, 30 %",
    begin: (random) => {
      let value = spread * normal(random);
      return () => {
        const now = value;
        value = 0.8 * value + 0.6 * spread * normal(random);
        return now;
      };
    },
  },
  bimodal: {
    title: "bimodal mounts: 3 of 10 are 1.9 times as fast",
    begin: (random) => () => 0.02 * normal(random) + (random() < 0.3 ? Math.log(1.9) : 0),
  },
  heavyTails: {
    title: "heavy tails (Student's t, 2 degrees), 15 %",
    begin: (random) => () => (0.15 * normal(random)) / Math.sqrt(-Math.log(1 - random())),
  },
  threefold: { title: "arm 3 times as noisy (10 %, 30 %)", begin: independent(0.1, 0.3) },
  tenfold: { title: "arm 10 times as noisy (10 %, 100 %)", begin: independent(0.1, 1) },
  skewed: {
    title: "an arm with skewed noise of its own (exponential, 30 %), 5 % lognormal",
    begin: (random) => (isArm) => 0.05 * normal(random) + (isArm ? spread * exponential(random) : 0),
  },
} as const satisfies Record<string, NoiseModel>;

/** Lognormal noise of a given size. */
export const lognormal = (deviation: number): NoiseModel => ({
  title: `lognormal, ${100 * deviation} %`,
  begin: independent(deviation, deviation),
});

/** The same kind of noise, smaller or larger. */
export const scaled = ({ title, begin }: NoiseModel, share: number): NoiseModel => ({
  title: `${title}, times ${share}`,
  begin: (random) => {
    const noise = begin(random);
    return (isArm) => share * noise(isArm);
  },
});

export type NoiseName = keyof typeof noiseModels;
export const noiseNames = Object.keys(noiseModels) as NoiseName[];
/** The noises for which the level of the verdicts holds. */
export const symmetricNoises = noiseNames.filter((name) => name !== "skewed");
