/** The cost of a lab: an estimate in advance, and the actual usage. */
import { hoursPerMonth, prices, type PriceTable } from "./prices.ts";

/** Billed resources of a running lab. Traffic, S3 and requests are not included, because they depend on its use. */
export interface CostItems {
  readonly region: string;
  /** Instance type of each machine. */
  readonly instanceTypes: readonly string[];
  readonly rootGiB: number;
  readonly publicAddresses: boolean;
  readonly spot: boolean;
}

export interface CostEstimate {
  readonly currency: "USD";
  /** USD an hour, or "unknown" if the table lacks a price. The on-demand price, which is the upper limit for spot instances. */
  readonly perHour: number | "unknown";
  /** USD from the first `up` until expiry. */
  readonly untilExpiry: number | "unknown";
  /** Resources without a price in the table. */
  readonly unknown: readonly string[];
  /** Source and date of the prices. */
  readonly basis: string;
}

/** Estimate for a lab that runs for `seconds`. */
export function costEstimate(
  items: CostItems,
  seconds: number,
  tables: Readonly<Record<string, PriceTable>> = prices,
): CostEstimate {
  const table = tables[items.region];
  if (!table) {
    const known = Object.keys(tables).join(", ");
    return {
      currency: "USD",
      perHour: "unknown",
      untilExpiry: "unknown",
      unknown: [`region ${items.region}`],
      basis: `no prices for ${items.region}; the table has ${known}`,
    };
  }
  const basis =
    `${table.source}; machines, root volumes${items.publicAddresses ? " and public addresses" : ""}, without traffic and S3` +
    (items.spot ? "; on-demand prices, so the most that spot instances cost" : "");
  const unknown = [...new Set(items.instanceTypes.filter((type) => table.instances[type] === undefined))];
  if (unknown.length > 0)
    return { currency: "USD", perHour: "unknown", untilExpiry: "unknown", unknown, basis };
  const machine = (type: string): number =>
    (table.instances[type] ?? 0) +
    (items.rootGiB * table.gp3) / hoursPerMonth +
    (items.publicAddresses ? table.publicAddress : 0);
  const perHour = items.instanceTypes.reduce((sum, type) => sum + machine(type), 0);
  return {
    currency: "USD",
    perHour: round(perHour),
    untilExpiry: round((perHour * seconds) / 3600),
    unknown,
    basis,
  };
}

/** @throws Error with advice if the estimate is above the limit, or unknown while a limit is set. */
export function checkCost(estimate: CostEstimate, maxHourlyCost: number | undefined): void {
  if (maxHourlyCost === undefined) return;
  if (estimate.perHour === "unknown")
    throw new Error(
      `maxHourlyCost is ${maxHourlyCost} USD, but the price of ${estimate.unknown.join(", ")} is unknown (${estimate.basis}): ` +
        "choose types and a region listed in stacks/aws/cost/prices.ts, add the price there, or remove aws.maxHourlyCost",
    );
  if (estimate.perHour > maxHourlyCost)
    throw new Error(
      `this lab costs about ${estimate.perHour} USD an hour, more than maxHourlyCost (${maxHourlyCost}): ` +
        "choose smaller aws.instanceTypes, fewer nodes, or raise aws.maxHourlyCost",
    );
}

/** Hours and USD used by a lab, for the record of a run. */
export function usage(
  perHour: CostEstimate["perHour"],
  created: Date,
  until: Date,
): { hours: number; usd: number | "unknown" } {
  const hours = (until.getTime() - created.getTime()) / 3_600_000;
  if (!(hours >= 0))
    throw new Error(`a lab made at ${created.toISOString()} cannot have ended at ${until.toISOString()}`);
  return {
    hours: round(hours),
    usd: perHour === "unknown" ? "unknown" : round(hours * perHour),
  };
}

function round(value: number): number {
  return Math.round(value * 10_000) / 10_000;
}
