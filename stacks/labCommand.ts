/** Commands of `./lab` in messages, which a user can paste: they name the stack, unless it is the default one. */
import { quote } from "../provisioning/shell.ts";

/** @param command verb and arguments, such as `up -c monitoring=true` */
export function labCommand(stack: string, command: string): string {
  if (stack === "local") return `./lab ${command}`;
  const [verb = "", ...words] = command.split(" ");
  return ["./lab", verb, "--stack", quote(stack), ...words].join(" ");
}
