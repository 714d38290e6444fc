/** Finds faults of a dashboard that Grafana accepts silently and then shows nothing for, or mentions only in its log. */

interface Target {
  readonly refId?: unknown;
  readonly expr?: unknown;
  readonly datasource?: unknown;
}
interface Panel extends Record<string, unknown> {
  readonly id?: unknown;
  readonly type?: unknown;
  readonly gridPos?: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly Target[];
}

/** The uid of the provisioned data source. */
export const datasourceUid = "disgrafs";
/** The panel types of Grafana that a dashboard of the lab may use. */
const types = ["timeseries", "stat", "gauge", "bargauge", "table", "text", "heatmap", "row"];
const columns = 24;

/** Returns one line per fault; empty if there is none. */
export function checkDashboard(dashboard: unknown): string[] {
  const { uid, title, panels, templating, annotations, ...rest } = dashboard as Record<string, unknown>;
  const own = (panels ?? []) as readonly Panel[];
  const notes = (
    (annotations as { list?: readonly Record<string, unknown>[] } | undefined)?.list ?? []
  ).filter(({ builtIn }) => builtIn !== 1);
  const variables = ((templating as { list?: readonly { name: string }[] } | undefined)?.list ?? []).map(
    ({ name }) => name,
  );
  return [
    ...("__inputs" in rest
      ? ["__inputs: only an import by hand fills them in, and provisioning does not"]
      : []),
    ...("dashboard" in rest ? ["dashboard: the file is the dashboard itself, not an envelope of it"] : []),
    ...(typeof uid === "string" && /^[\w-]{1,40}$/.test(uid)
      ? []
      : [`uid ${String(uid)}: up to 40 of a-z, 0-9, _ and -`]),
    ...(typeof title === "string" && title.trim() !== "" ? [] : ["no title"]),
    ...own.flatMap((panel, index) => panelFaults(panel, own.slice(0, index), variables)),
    ...notes.flatMap((note) => queryFaults(`annotation ${String(note.name)}`, note, variables)),
  ];
}

function panelFaults(panel: Panel, before: readonly Panel[], variables: readonly string[]): string[] {
  const { id, type, title, gridPos, targets = [], datasource } = panel;
  const name = `panel ${String(id)}`;
  const faults = [];
  if (before.some((other) => other.id === id)) faults.push(`${name}: another has this id`);
  if (!types.includes(String(type))) faults.push(`${name}: no panel is called ${String(type)}`);
  if (typeof title !== "string" || title.trim() === "") faults.push(`${name}: no title`);
  if (!gridPos || gridPos.x < 0 || gridPos.w < 1 || gridPos.x + gridPos.w > columns || gridPos.h < 1)
    faults.push(`${name}: it is not on the grid of ${columns} columns`);
  if (!isOurs(datasource)) faults.push(`${name}: its data source is ${JSON.stringify(datasource)}`);
  for (const [index, target] of targets.entries()) {
    const query = `${name}, query ${String(target.refId)}`;
    if (targets.slice(0, index).some(({ refId }) => refId === target.refId) || target.refId === undefined)
      faults.push(`${query}: another has this name`);
    faults.push(...queryFaults(query, target, variables));
  }
  return faults;
}

function queryFaults(name: string, { expr, datasource }: Target, variables: readonly string[]): string[] {
  const text = typeof expr === "string" ? expr : "";
  const used = [...text.matchAll(/\$\{?(\w+)/g)].map((match) => match[1] ?? "");
  return [
    ...(text.trim() === "" ? [`${name}: its query is empty`] : []),
    ...(isOurs(datasource) ? [] : [`${name}: its data source is ${JSON.stringify(datasource)}`]),
    // Grafana's own variables begin with two underscores.
    ...used
      .filter((variable) => !variable.startsWith("__") && !variables.includes(variable))
      .map((variable) => `${name}: $${variable} is not defined`),
  ];
}

function isOurs(datasource: unknown): boolean {
  const { type, uid } = (datasource ?? {}) as { type?: unknown; uid?: unknown };
  return type === "prometheus" && uid === datasourceUid;
}
