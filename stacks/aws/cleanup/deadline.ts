/**
 * A deadline enforced outside the machines. Each machine powers itself off when its lab expires, but not if its set-up failed,
 * its timer was stopped or its kernel hangs. So before any machine exists, a one-time schedule (EventBridge Scheduler) is
 * created that starts a small state machine (Step Functions), which terminates all machines with the lab's run id until none
 * is left.
 */
import * as pulumi from "@pulumi/pulumi";
import * as aws from "../resources.ts";
import { nameStart, identityPath, tagKeys, type Tagger } from "../tags.ts";
import { isoSeconds } from "./lifetime.ts";

/** Seconds after a lab's expiry in which its machines may shut down by themselves. */
const graceSeconds = 300;

export interface DeadlineArgs {
  readonly stack: string;
  readonly run: pulumi.Output<string>;
  /** In the form 2026-11-25T18:00:00Z. */
  readonly expires: pulumi.Output<string>;
  readonly tags: Tagger;
}

export class Deadline extends pulumi.ComponentResource {
  /** Resources that must exist before any machine. */
  readonly ready: pulumi.Resource[];

  constructor(name: string, args: DeadlineArgs, opts?: pulumi.ComponentResourceOptions) {
    super("disgrafs:aws:Deadline", name, {}, opts);
    const parent = { parent: this };
    const role = new aws.Role(
      `${name}-role`,
      {
        path: identityPath,
        description: "Ends a disgrafs lab when its time is over",
        assumeRolePolicy: JSON.stringify({
          Version: "2012-10-17",
          Statement: [
            {
              Effect: "Allow",
              Principal: { Service: ["scheduler.amazonaws.com", "states.amazonaws.com"] },
              Action: "sts:AssumeRole",
            },
          ],
        }),
        tags: args.tags("deadline-role"),
      },
      parent,
    );
    const terminator = new aws.StateMachine(
      `${name}-terminator`,
      {
        namePrefix: prefix(args.stack),
        roleArn: role.arn,
        definition: args.run.apply((run) => JSON.stringify(terminates(run))),
        tags: args.tags("terminator"),
      },
      parent,
    );
    const policy = new aws.RolePolicy(
      `${name}-policy`,
      {
        role: role.name,
        policy: pulumi
          .all([terminator.arn, args.run])
          .apply(([arn, run]) => JSON.stringify(terminatorPolicy(arn, run))),
      },
      parent,
    );
    const group = new aws.ScheduleGroup(
      `${name}-schedules`,
      { namePrefix: prefix(args.stack), tags: args.tags("schedules") },
      parent,
    );
    const schedule = new aws.Schedule(
      `${name}-schedule`,
      {
        namePrefix: prefix(args.stack),
        groupName: group.name,
        description: "Terminates what a disgrafs lab has left running after its end",
        flexibleTimeWindow: { mode: "OFF" },
        scheduleExpression: args.expires.apply(deadlineExpression),
        scheduleExpressionTimezone: "UTC",
        target: { arn: terminator.arn, roleArn: role.arn, input: "{}" },
      },
      { ...parent, dependsOn: policy },
    );
    this.ready = [schedule];
    this.registerOutputs({});
  }
}

/** Names of schedules, groups and state machines have at most 64 characters, of which AWS takes 26. */
function prefix(stack: string): string {
  return `${nameStart}${stack.replaceAll(/[^A-Za-z0-9]+/g, "-")}`.slice(0, 36) + "-";
}

/** The time of the schedule, in EventBridge's form. */
export function deadlineExpression(expires: string): string {
  const time = isoSeconds(new Date(Date.parse(expires) + graceSeconds * 1000));
  return `at(${time.replace(/Z$/, "")})`;
}

const patiently = [{ ErrorEquals: ["States.ALL"], IntervalSeconds: 10, MaxAttempts: 20, BackoffRate: 1.5 }];

/** The state machine: terminates living machines with this run's tag until there are none. */
export function terminates(run: string) {
  return {
    Comment: "Terminates the machines of one run of a disgrafs lab",
    StartAt: "Find",
    TimeoutSeconds: 86_400,
    States: {
      Find: {
        Type: "Task",
        Resource: "arn:aws:states:::aws-sdk:ec2:describeInstances",
        Parameters: {
          Filters: [
            { Name: `tag:${tagKeys.run}`, Values: [run] },
            { Name: "instance-state-name", Values: ["pending", "running", "stopping", "stopped"] },
          ],
        },
        ResultSelector: { "found.$": "$.Reservations" },
        Retry: patiently,
        Next: "Any left?",
      },
      "Any left?": {
        Type: "Choice",
        Choices: [{ Variable: "$.found[0]", IsPresent: true, Next: "Terminate" }],
        Default: "Nothing left",
      },
      Terminate: {
        Type: "Task",
        Resource: "arn:aws:states:::aws-sdk:ec2:terminateInstances",
        Parameters: { "InstanceIds.$": "$.found[*].Instances[*].InstanceId" },
        Retry: patiently,
        Next: "Wait",
      },
      Wait: { Type: "Wait", Seconds: 30, Next: "Find" },
      "Nothing left": { Type: "Succeed" },
    },
  };
}

/** Permissions to list machines, to terminate those of this run, and to start the state machine. */
export function terminatorPolicy(stateMachine: string, run: string) {
  return {
    Version: "2012-10-17",
    Statement: [
      { Sid: "Find", Effect: "Allow", Action: "ec2:DescribeInstances", Resource: "*" },
      {
        Sid: "End",
        Effect: "Allow",
        Action: "ec2:TerminateInstances",
        Resource: "arn:aws:ec2:*:*:instance/*",
        Condition: { StringEquals: { [`aws:ResourceTag/${tagKeys.run}`]: run } },
      },
      { Sid: "Start", Effect: "Allow", Action: "states:StartExecution", Resource: stateMachine },
    ],
  };
}
