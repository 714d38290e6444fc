/** Resources that a lab must not create, to test that the policy pack refuses them. */
import { PlacementGroup, SecurityGroupIngressRule } from "../../../stacks/aws/resources.ts";

new SecurityGroupIngressRule("open", {
  securityGroupId: "sg-0123456789abcdef0",
  cidrIpv4: "0.0.0.0/0",
  ipProtocol: "tcp",
  fromPort: 22,
  toPort: 22,
});
new PlacementGroup("untagged", { strategy: "cluster" });
