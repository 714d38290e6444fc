/**
 * The table of all panels and their queries. The page of `./lab open dashboard`, Grafana's dashboards and the metrics that a
 * benchmark run keeps are generated from it.
 */
import { benchmark } from "./panels/benchmark.ts";
import { disgrafs } from "./panels/disgrafs.ts";
import { extensions } from "./panels/extensions.ts";
import { io } from "./panels/io.ts";
import { juicefs } from "./panels/juicefs.ts";
import { overview } from "./panels/overview.ts";
import type { Panel } from "./panels/panel.ts";
import { ray } from "./panels/ray.ts";
import { redis } from "./panels/redis.ts";

export { sections, type Panel, type Query } from "./panels/panel.ts";
export { turns } from "./panels/benchmark.ts";

export const panels: readonly Panel[] = [
  ...overview,
  ...io,
  ...juicefs,
  ...redis,
  ...ray,
  ...disgrafs,
  ...extensions,
  ...benchmark,
];
