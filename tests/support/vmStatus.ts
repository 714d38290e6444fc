/** `./lab status` of a single test machine. */
import { machineState } from "../../cli/commands/status.ts";
import { expectedOf, questionsFor } from "../../cli/status/expected.ts";
import { labStatus, type LabStatus } from "../../cli/status/labStatus.ts";
import { askNode } from "../../cli/status/nodeReport.ts";
import { inCheckout } from "../../workshop/checkout.ts";
import { loginTo, type TestVm } from "./vm.ts";

/** The status of a lab with these outputs whose only node is this machine, which is asked as `./lab status` asks. */
export async function statusOf(
  vm: TestVm,
  node: { readonly name: string; readonly role: string; readonly address: string },
  outputs: object,
): Promise<LabStatus> {
  const { name, role, address } = node;
  const ssh = loginTo(vm);
  const all = { nodes: [{ name, roles: [role], kernel: "6.12", ssh, address }], ...outputs };
  const expected = expectedOf(vm.stack, all);
  const [asks] = expected.nodes;
  const asked = await askNode(ssh, questionsFor(asks!, expected, all), {
    cwd: inCheckout(),
    env: process.env,
  });
  return labStatus({ expected, machines: [machineState(vm.stack, "vm")], asked: [asked], now: new Date() });
}
