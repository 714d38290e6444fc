/** `{{node}} read` with the labels of a series put in, as Grafana and the lab's own page do it. */
export function seriesName(legend: string, labels: Readonly<Record<string, string>>): string {
  return legend.replaceAll(/\{\{(\w+)\}\}/g, (_, name: string) => labels[name] ?? "").trim();
}
