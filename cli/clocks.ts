/**
 * Sets the clocks of local machines. A guest's clock stands still while its QEMU does (a suspended computer, a stopped process), and
 * machines without an outside network have nobody else to ask. The object store refuses requests of a client whose clock is off
 * by a quarter of an hour.
 */
import type { EarlyLogin } from "../stacks/local/earlyLogins.ts";
import { clockOff, clockTolerance } from "./status/clock.ts";

const now = (): number => Date.now() / 1000;

/** Sets each clock that is off by more than the tolerance, and says so. */
export async function setClocks(logins: readonly EarlyLogin[], say: (line: string) => void): Promise<void> {
  const ofWall = logins.filter(({ ownClock }) => !ownClock);
  await Promise.all(
    ofWall.map(async (login) => {
      // The login itself may take seconds.
      if ((await login.ask("echo here")) === undefined) return;
      const before = now();
      const clock = Number(await login.ask("date +%s.%N"));
      const off = clockOff(clock, before, now());
      if (!(Math.abs(off) > clockTolerance)) return;
      const what = `${login.machine}: its clock was ${Math.abs(off).toFixed(0)} s ${off > 0 ? "ahead of" : "behind"} this computer's`;
      const set = await login.ask(`date -s @${now().toFixed(3)} >/dev/null 2>&1 && echo set || echo not`);
      say(set === "set" ? `${what}; set it` : `${what}, and cannot be set`);
    }),
  );
}
