/** The output of `./lab --version`. */
import { readFileSync } from "node:fs";
import { checkoutState } from "../workshop/checkoutState.ts";
import { inCheckout } from "../workshop/checkout.ts";

/** Name and version of the kit, and in a git checkout its commit: "disgrafs-lab 0.1.0 (commit 93a8055..., changed)". */
export function versionText({ commit, dirty } = checkoutState()): string {
  const { name, version } = JSON.parse(readFileSync(inCheckout("package.json"), "utf8")) as {
    name: string;
    version: string;
  };
  if (commit === null) return `${name} ${version}`;
  return `${name} ${version} (commit ${commit}${dirty === true ? ", changed" : ""})`;
}
