/** What a lab must not make, to see that the policy pack stops it. */
import { PlacementGroup, SecurityGroupIngressRule } from "../../../stacks/aws/resources.ts";

new SecurityGroupIngressRule("open", {
  securityGroupId: "sg-0123456789abcdef0",
  cidrIpv4: "0.0.0.0/0",
  ipProtocol: "tcp",
  fromPort: 22,
  toPort: 22,
});
new PlacementGroup("untagged", { strategy: "cluster" });
