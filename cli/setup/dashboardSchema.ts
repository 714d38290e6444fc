/** The program that checks the Grafana dashboards with the strict parser of Grafana's SDK, which exists only for Go. */
import { inLab } from "../../workshop/checkout.ts";
import { build, isBuilt, type GoProgram } from "./go.ts";
import type { Step } from "./runner.ts";

const program: GoProgram = { name: "dashboard-schema", module: "dashboard-schema", package: "." };

/** Its path once it is built. */
export const dashboardSchema = inLab("bin", program.name);

export function dashboardSchemaStep(): Step {
  return {
    name: "Dashboard schema",
    check: () =>
      isBuilt(program)
        ? { done: true, detail: "the checker of Grafana dashboards, built from tools/dashboard-schema" }
        : { done: false, plan: "build the checker of Grafana dashboards from tools/dashboard-schema" },
    run: (progress) => build(program, progress),
  };
}
