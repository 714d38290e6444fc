/** Fills the labels of a series into a legend such as `{{node}} read`, as Grafana and the lab's own page do. */
export function seriesName(legend: string, labels: Readonly<Record<string, string>>): string {
  return legend.replaceAll(/\{\{(\w+)\}\}/g, (_, name: string) => labels[name] ?? "").trim();
}
