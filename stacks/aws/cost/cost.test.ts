import { checkCost, costEstimate, usage, type CostItems } from "./cost.ts";
import { prices } from "./prices.ts";
import { defaultInstanceTypes } from "../settings.ts";

const items: CostItems = {
  region: "us-east-1",
  instanceTypes: ["m6i.large", "m6id.large", "m6id.large"],
  rootGiB: 30,
  publicAddresses: true,
  spot: false,
};

describe("costEstimate", () => {
  it("adds machines, root volumes and public addresses", () => {
    // 0.096 + 2 x 0.11865 + 3 x (30 x 0.08 / 730 + 0.005)
    const estimate = costEstimate(items, 4 * 3600);
    expect(estimate.perHour).toBe(0.3582);
    expect(estimate.untilExpiry).toBe(1.4327);
    expect(estimate.unknown).toEqual([]);
    expect(estimate.basis).toMatch(/generated 2026-01-19 for us-east-1.*without traffic and S3/);
  });

  it("leaves out public addresses if there are none", () => {
    expect(costEstimate({ ...items, publicAddresses: false }, 3600).perHour).toBe(0.3432);
  });

  it("calls the estimate for spot instances a maximum", () => {
    expect(costEstimate({ ...items, spot: true }, 3600).basis).toMatch(/the most that spot instances cost/);
  });

  it("names each type without a price once", () => {
    const estimate = costEstimate({ ...items, instanceTypes: ["m6i.large", "z9.large", "z9.large"] }, 3600);
    expect(estimate).toMatchObject({ perHour: "unknown", untilExpiry: "unknown", unknown: ["z9.large"] });
  });

  it("does not use one region's prices for another", () => {
    expect(costEstimate({ ...items, region: "eu-central-1" }, 3600)).toMatchObject({
      perHour: "unknown",
      unknown: ["region eu-central-1"],
    });
  });
});

describe("the price table", () => {
  it("has a price for every default instance type", () => {
    for (const type of Object.values(defaultInstanceTypes))
      expect(prices["us-east-1"]?.instances[type]).toBeGreaterThan(0);
  });

  it("doubles with the size within a family, within 1 %", () => {
    const table = prices["us-east-1"]!.instances;
    for (const [type, usd] of Object.entries(table)) {
      const next = type.endsWith(".xlarge") ? table[type.replace(".xlarge", ".2xlarge")] : undefined;
      if (next !== undefined) expect(Math.abs(next / usd / 2 - 1)).toBeLessThan(0.01);
    }
  });
});

describe("checkCost", () => {
  const estimate = costEstimate(items, 3600);
  it("accepts a lab that costs no more than the limit", () => {
    expect(() => checkCost(estimate, 0.3582)).not.toThrow();
    expect(() => checkCost(costEstimate({ ...items, region: "eu-central-1" }, 1), undefined)).not.toThrow();
  });
  it("refuses a lab above the limit and names the settings to change", () => {
    expect(() => checkCost(estimate, 0.3)).toThrow(
      /0\.3582 USD an hour, more than maxHourlyCost \(0\.3\): choose smaller/,
    );
  });
  it("refuses an unknown price if there is a limit", () => {
    expect(() => checkCost(costEstimate({ ...items, region: "eu-central-1" }, 1), 5)).toThrow(
      /price of region eu-central-1 is unknown/,
    );
  });
});

describe("usage", () => {
  const created = new Date("2026-11-25T10:00:00Z");
  it("is the hours and their cost", () => {
    expect(usage(costEstimate(items, 3600).perHour, created, new Date("2026-11-25T12:30:00Z"))).toEqual({
      hours: 2.5,
      usd: 0.8955,
    });
  });
  it("refuses an end before the beginning", () => {
    expect(() => usage(costEstimate(items, 1).perHour, created, new Date("2026-11-25T09:00:00Z"))).toThrow(
      /cannot have ended/,
    );
  });
});
