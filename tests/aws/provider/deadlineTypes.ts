/** The EventBridge Scheduler and Step Functions types. */
import * as scheduler from "@aws-sdk/client-scheduler";
import * as sfn from "@aws-sdk/client-sfn";
import type { Properties } from "../../../plugins/command/wire.ts";
import { tagList, unique, unlessMissing, type ResourceType } from "./resourceType.ts";

const schedules = new scheduler.SchedulerClient({});
const machines = new sfn.SFNClient({});
const s = (value: unknown): string => value as string;

function schedule(inputs: Properties, name: string): scheduler.CreateScheduleCommandInput {
  const target = inputs.target as Properties;
  return {
    Name: name,
    GroupName: s(inputs.groupName),
    Description: s(inputs.description),
    FlexibleTimeWindow: { Mode: "OFF" },
    ScheduleExpression: s(inputs.scheduleExpression),
    ScheduleExpressionTimezone: s(inputs.scheduleExpressionTimezone),
    Target: { Arn: s(target.arn), RoleArn: s(target.roleArn), Input: s(target.input) },
  };
}

export const deadlineTypes: Readonly<Record<string, ResourceType>> = {
  "aws:scheduler/scheduleGroup:ScheduleGroup": {
    updatable: ["tags", "tagsAll"],
    async create(inputs) {
      const Name = `${s(inputs.namePrefix)}${unique()}`;
      const { ScheduleGroupArn: arn } = await schedules.send(
        new scheduler.CreateScheduleGroupCommand({ Name, Tags: tagList(inputs.tags) }),
      );
      return { id: Name, outputs: { name: Name, arn: arn ?? "" } };
    },
    async read(id) {
      const call = schedules.send(new scheduler.GetScheduleGroupCommand({ Name: id }));
      return (await unlessMissing(call)) ? {} : undefined;
    },
    async update(_, inputs, state) {
      await schedules.send(
        new scheduler.TagResourceCommand({ ResourceArn: s(state.arn), Tags: tagList(inputs.tags) }),
      );
    },
    async delete(id) {
      await unlessMissing(schedules.send(new scheduler.DeleteScheduleGroupCommand({ Name: id })));
    },
  },
  "aws:scheduler/schedule:Schedule": {
    updatable: ["scheduleExpression", "target", "description"],
    async create(inputs) {
      const name = `${s(inputs.namePrefix)}${unique()}`;
      await schedules.send(new scheduler.CreateScheduleCommand(schedule(inputs, name)));
      return { id: name, outputs: { name } };
    },
    async read(id, state) {
      const call = schedules.send(
        new scheduler.GetScheduleCommand({ Name: id, GroupName: s(state.groupName) }),
      );
      return (await unlessMissing(call)) ? {} : undefined;
    },
    async update(id, inputs) {
      await schedules.send(new scheduler.UpdateScheduleCommand(schedule(inputs, id)));
    },
    async delete(id, state) {
      await unlessMissing(
        schedules.send(new scheduler.DeleteScheduleCommand({ Name: id, GroupName: s(state.groupName) })),
      );
    },
  },
  "aws:sfn/stateMachine:StateMachine": {
    updatable: ["definition", "roleArn", "tags", "tagsAll"],
    async create(inputs) {
      const { stateMachineArn: arn = "" } = await machines.send(
        new sfn.CreateStateMachineCommand({
          name: `${s(inputs.namePrefix)}${unique()}`,
          definition: s(inputs.definition),
          roleArn: s(inputs.roleArn),
          tags: tagList(inputs.tags).map(({ Key, Value }) => ({ key: Key, value: Value })),
        }),
      );
      return { id: arn, outputs: { arn } };
    },
    async read(id) {
      const call = machines.send(new sfn.DescribeStateMachineCommand({ stateMachineArn: id }));
      return (await unlessMissing(call)) ? {} : undefined;
    },
    async update(id, inputs) {
      await machines.send(
        new sfn.TagResourceCommand({
          resourceArn: id,
          tags: tagList(inputs.tags).map(({ Key, Value }) => ({ key: Key, value: Value })),
        }),
      );
    },
    async delete(id) {
      await unlessMissing(machines.send(new sfn.DeleteStateMachineCommand({ stateMachineArn: id })));
    },
  },
};
