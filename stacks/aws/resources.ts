/**
 * The resources and functions of @pulumi/aws that the lab uses, each imported from its own file. The package's index would load
 * every service of AWS: one second and 100 MB more in each `up`, and a minute in a test.
 */
export { InternetGateway } from "@pulumi/aws/ec2/internetGateway.js";
export { Instance as Ec2Instance } from "@pulumi/aws/ec2/instance.js";
export { KeyPair } from "@pulumi/aws/ec2/keyPair.js";
export { PlacementGroup } from "@pulumi/aws/ec2/placementGroup.js";
export { Route } from "@pulumi/aws/ec2/route.js";
export { RouteTable } from "@pulumi/aws/ec2/routeTable.js";
export { RouteTableAssociation } from "@pulumi/aws/ec2/routeTableAssociation.js";
export { SecurityGroup } from "@pulumi/aws/ec2/securityGroup.js";
export { Subnet } from "@pulumi/aws/ec2/subnet.js";
export { Vpc } from "@pulumi/aws/ec2/vpc.js";
export { VpcEndpoint } from "@pulumi/aws/ec2/vpcEndpoint.js";
export { getAmiIdsOutput } from "@pulumi/aws/ec2/getAmiIds.js";
export { getInstanceTypeOfferingsOutput } from "@pulumi/aws/ec2/getInstanceTypeOfferings.js";
export { getSubnetOutput } from "@pulumi/aws/ec2/getSubnet.js";
export { InstanceProfile } from "@pulumi/aws/iam/instanceProfile.js";
export { Role } from "@pulumi/aws/iam/role.js";
export { RolePolicy } from "@pulumi/aws/iam/rolePolicy.js";
export { RolePolicyAttachment } from "@pulumi/aws/iam/rolePolicyAttachment.js";
export { Provider } from "@pulumi/aws/provider.js";
export { Bucket } from "@pulumi/aws/s3/bucket.js";
export { BucketLifecycleConfiguration } from "@pulumi/aws/s3/bucketLifecycleConfiguration.js";
export { BucketPublicAccessBlock } from "@pulumi/aws/s3/bucketPublicAccessBlock.js";
export { BucketServerSideEncryptionConfiguration } from "@pulumi/aws/s3/bucketServerSideEncryptionConfiguration.js";
export { Schedule } from "@pulumi/aws/scheduler/schedule.js";
export { ScheduleGroup } from "@pulumi/aws/scheduler/scheduleGroup.js";
export { StateMachine } from "@pulumi/aws/sfn/stateMachine.js";
export { getParameterOutput } from "@pulumi/aws/ssm/getParameter.js";
export { SecurityGroupEgressRule } from "@pulumi/aws/vpc/securityGroupEgressRule.js";
export { SecurityGroupIngressRule } from "@pulumi/aws/vpc/securityGroupIngressRule.js";
