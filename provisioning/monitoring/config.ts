/** Prometheus' configuration, as a value: its YAML is a superset of JSON. */

export interface ScrapeJob {
  readonly name: string;
  /** `address` is host:port. */
  readonly targets: readonly { readonly node: string; readonly address: string }[];
}

/** Seconds between two looks. Shorter than Prometheus' own minute: a benchmark's window is a few seconds. */
export const scrapeSeconds = 5;

/**
 * How long a value stands for what came after it: as long as a rate looks back, so that what was not seen is a gap. The
 * default of 5 minutes would draw the last value on, when Prometheus itself was down or could not write.
 */
export const lookbackSeconds = 20;

/** Each target has the label `node`, the machine's name in the lab. */
export function prometheusConfig(jobs: readonly ScrapeJob[]): unknown {
  return {
    // A clock that jumps ahead and back would else make it refuse everything until the time that it has seen.
    storage: { tsdb: { out_of_order_time_window: "1d" } },
    global: { scrape_interval: `${scrapeSeconds}s`, scrape_timeout: `${scrapeSeconds}s` },
    scrape_configs: jobs.map(({ name, targets }) => ({
      job_name: name,
      static_configs: targets.map(({ node, address }) => ({ targets: [address], labels: { node } })),
    })),
  };
}
