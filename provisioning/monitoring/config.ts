/** Prometheus' configuration, as a value: its YAML is a superset of JSON. */

export interface ScrapeJob {
  readonly name: string;
  /** `address` is host:port. */
  readonly targets: readonly { readonly node: string; readonly address: string }[];
  /** Seconds between two scrapes, if not scrapeSeconds. Their rates have no value: two samples may be outside a rate's range. */
  readonly seconds?: number;
}

/** Seconds between two scrapes. Shorter than Prometheus' default of a minute: a benchmark's window is a few seconds. */
export const scrapeSeconds = 5;

/**
 * How long a sample is valid: as long as the range of a rate, so that missing samples are a gap. With the default of 5
 * minutes, the last value would continue while Prometheus itself was down or could not write.
 */
export const lookbackSeconds = 20;

/** Each target has the label `node`, the machine's name in the lab. */
export function prometheusConfig(jobs: readonly ScrapeJob[]): unknown {
  return {
    // Without this, it would refuse all samples after a clock jumped ahead and back, until the clock reaches that time again.
    storage: { tsdb: { out_of_order_time_window: "1d" } },
    global: { scrape_interval: `${scrapeSeconds}s`, scrape_timeout: `${scrapeSeconds}s` },
    scrape_configs: jobs.map(({ name, targets, seconds }) => ({
      job_name: name,
      ...(seconds !== undefined && { scrape_interval: `${seconds}s`, scrape_timeout: `${seconds}s` }),
      static_configs: targets.map(({ node, address }) => ({ targets: [address], labels: { node } })),
    })),
  };
}
