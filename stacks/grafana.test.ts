/** Grafana in a lab if its repository cannot be reached; workshop/debian/vendorPackage.test.ts has a reachable one. */
import { jest } from "@jest/globals";
import * as pulumi from "@pulumi/pulumi";
import { grafanaRelease } from "../provisioning/monitoring/grafana/release.ts";

const made: string[] = [];
await pulumi.runtime.setMocks(
  {
    newResource: ({ name, inputs }) => {
      made.push(name);
      return { id: name, state: inputs as object };
    },
    call: ({ inputs }) => inputs as object,
  },
  "disgrafs-lab",
  "watched",
);
const { grafanaFile } = await import("./grafana.ts");

describe("Grafana, where its vendor cannot be reached,", () => {
  const release = { ...grafanaRelease, repository: "http://grafana.invalid" };
  const said: string[] = [];
  let log: { mockRestore(): void };
  beforeEach(() => {
    said.length = 0;
    log = jest.spyOn(pulumi.log, "info").mockImplementation((line) => Promise.resolve(void said.push(line)));
  });
  afterEach(() => log.mockRestore());

  it("is left out, with a reason of one line, by default", async () => {
    expect(await grafanaFile({ monitoring: true, grafana: "auto" }, release)).toBeUndefined();
    expect(said).toEqual([
      expect.stringMatching(
        /^left out: Grafana 13\.2\.3, which this computer downloads from http:\/\/grafana\.invalid: Failed to fetch http:.*; \.\/lab open --stack watched draws the same panels$/,
      ),
    ]);
    expect(made).toEqual([]);
  });

  it("is an error with the setting, the reason and advice, if Grafana was requested", async () => {
    await expect(grafanaFile({ monitoring: true, grafana: "on" }, release)).rejects.toThrow(
      /^the setting grafana is on, but the lab cannot get Grafana 13\.2\.3.* http:\/\/grafana\.invalid: Failed to fetch .*\n.* \.\/lab up --stack watched -c grafana=auto$/,
    );
    expect(said).toEqual([]);
  });

  it("is not requested if the lab has no Prometheus, or if Grafana is off", async () => {
    expect(await grafanaFile({ monitoring: false, grafana: "auto" }, release)).toBeUndefined();
    expect(await grafanaFile({ monitoring: true, grafana: "off" }, release)).toBeUndefined();
    expect(said).toEqual([]);
  });
});
