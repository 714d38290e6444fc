/** `./lab doctor`: whether this machine can run the lab, and what to do where it cannot. */
import { Command } from "commander";
import { distribution, isSupported } from "../setup/debian.ts";

export const doctor = new Command("doctor").description("check this machine").action(() => {
  const here = distribution();
  process.stdout.write(`${isSupported(here) ? "ok" : "note"} ${here.title}\n`);
});
