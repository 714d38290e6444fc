/** Prometheus' configuration, as a value: its YAML is a superset of JSON. */

export interface ScrapeJob {
  readonly name: string;
  /** `address` is host:port. */
  readonly targets: readonly { readonly node: string; readonly address: string }[];
}

/** Seconds between two looks. Shorter than Prometheus' own minute: a benchmark's window is a few seconds. */
export const scrapeSeconds = 5;

/** Each target has the label `node`, the machine's name in the lab. */
export function prometheusConfig(jobs: readonly ScrapeJob[]): unknown {
  return {
    global: { scrape_interval: `${scrapeSeconds}s`, scrape_timeout: `${scrapeSeconds}s` },
    scrape_configs: jobs.map(({ name, targets }) => ({
      job_name: name,
      static_configs: targets.map(({ node, address }) => ({ targets: [address], labels: { node } })),
    })),
  };
}
