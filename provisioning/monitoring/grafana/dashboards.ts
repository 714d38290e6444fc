/**
 * Grafana's dashboards, one per section, generated from the table of panels with Grafana's own builders. Grafana itself reads
 * only the files in dashboards/. To regenerate them:
 *   node provisioning/monitoring/grafana/dashboards.ts
 */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { argv } from "node:process";
import { fileURLToPath } from "node:url";
import {
  GraphThresholdsStyleMode,
  LegendDisplayMode,
  LegendPlacement,
  TooltipDisplayMode,
  VisibilityMode,
  GraphThresholdsStyleConfigBuilder,
  VizLegendOptionsBuilder,
  VizTooltipOptionsBuilder,
} from "@grafana/grafana-foundation-sdk/common";
import {
  AnnotationQueryBuilder,
  DashboardBuilder,
  DashboardCursorSync,
  DashboardLinkBuilder,
  DashboardLinkType,
  ThresholdsConfigBuilder,
  ThresholdsMode,
} from "@grafana/grafana-foundation-sdk/dashboard";
import { DataqueryBuilder } from "@grafana/grafana-foundation-sdk/prometheus";
import { PanelBuilder } from "@grafana/grafana-foundation-sdk/timeseries";
import { datasourceUid } from "./check.ts";
import { panels, sections, turns, type Panel } from "../panels.ts";

/** The lab's Prometheus: the provisioned data source has this fixed uid, so that the user does not have to choose one. */
const datasource = { type: "prometheus", uid: datasourceUid };
const tag = "disgrafs-lab";

/** Maps the file name of each dashboard to its content. */
export function dashboards(): Readonly<Record<string, unknown>> {
  return Object.fromEntries(sections.map((section) => [`${slug(section)}.json`, dashboard(section)]));
}

const slug = (section: string): string => section.toLowerCase().replace(/[^a-z]/g, "");

function dashboard(section: Panel["section"]): unknown {
  // The newer format needs an envelope, and versions in use refuse it; all versions read this format.
  // eslint-disable-next-line @typescript-eslint/no-deprecated
  const builder = new DashboardBuilder(`Lab: ${section}`)
    .uid(`disgrafs-${slug(section)}`)
    .tags([tag])
    .readonly()
    .tooltip(DashboardCursorSync.Crosshair)
    .refresh("5s")
    .time({ from: "now-15m", to: "now" })
    // Links to all other dashboards that keep the time range.
    .link(
      new DashboardLinkBuilder("Lab")
        .type(DashboardLinkType.Dashboards)
        .tags([tag])
        .asDropdown(false)
        .includeVars(false)
        .keepTime(true),
    )
    .annotation(
      new AnnotationQueryBuilder()
        .name("Benchmark")
        .datasource(datasource)
        .enable(true)
        .iconColor("blue")
        .expr(turns.expr)
        .titleFormat(turns.legend)
        .tagKeys("arm,workload")
        // With a smaller step, every scrape would be an annotation of its own.
        .step("15s"),
    );
  for (const [index, panel] of panels.filter((each) => each.section === section).entries()) {
    builder.withPanel(timeseries(panel, index));
  }
  return builder.build();
}

function timeseries({ title, unit, description, queries, needs, worry }: Panel, index: number): PanelBuilder {
  const builder = new PanelBuilder()
    .id(index + 1)
    .title(title)
    .description(needs === undefined ? description : `${description} Needs ${needs}.`)
    .datasource(datasource)
    .gridPos({ x: (index % 2) * 12, y: Math.floor(index / 2) * 8, w: 12, h: 8 })
    .unit(unit)
    // The axis starts at zero, so that small changes do not look large.
    .min(0)
    .lineWidth(1)
    .fillOpacity(10)
    .showPoints(VisibilityMode.Auto)
    .spanNulls(false)
    .legend(
      new VizLegendOptionsBuilder()
        .displayMode(LegendDisplayMode.List)
        .placement(LegendPlacement.Bottom)
        .showLegend(true),
    )
    .tooltip(new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Multi));
  if (worry !== undefined) {
    builder
      .thresholds(
        new ThresholdsConfigBuilder().mode(ThresholdsMode.Absolute).steps([
          { value: null, color: "green" },
          { value: worry, color: "red" },
        ]),
      )
      .thresholdsStyle(new GraphThresholdsStyleConfigBuilder().mode(GraphThresholdsStyleMode.Line));
  }
  for (const [number, { expr, legend }] of queries.entries()) {
    builder.withTarget(
      new DataqueryBuilder()
        .refId(String.fromCharCode(65 + number))
        .datasource(datasource)
        .expr(expr)
        .legendFormat(legend)
        .range(),
    );
  }
  return builder;
}

if (argv[1] === fileURLToPath(import.meta.url)) {
  const folder = new URL("./dashboards/", import.meta.url);
  mkdirSync(folder, { recursive: true });
  for (const old of readdirSync(folder)) rmSync(new URL(old, folder));
  for (const [file, content] of Object.entries(dashboards()))
    writeFileSync(new URL(file, folder), `${JSON.stringify(content, null, 2)}\n`);
}
