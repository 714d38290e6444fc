/** Parses the table of `juicefs bench` (1.4). */
import { InvalidOutput } from "./json.ts";
import type { Measurements } from "./measurement.ts";

const rows = {
  writeBig: "Write big file",
  readBig: "Read big file",
  writeSmall: "Write small file",
  readSmall: "Read small file",
  stat: "Stat file",
} as const;

const MiB = 1.048576;

/**
 * Figures of one run. A warning about caches makes it invalid: the read figures would be those of the page cache.
 */
export function parseJuicefsBench(text: string): Measurements {
  // Colours are off, but an older client ignores that when told to by its environment.
  // eslint-disable-next-line no-control-regex
  const plain = text.replaceAll(/\u001b\[[\d;]*m/g, "");
  const warning = /^.*(?:<WARNING>|<ERROR>).*(?:clean|clear|drop).*cache.*$/im.exec(plain);
  if (warning)
    throw new InvalidOutput(
      `juicefs bench: ${(/: (.*)$/.exec(warning[0])?.[1] ?? warning[0]).slice(0, 120)}`,
    );
  return Object.fromEntries(Object.entries(rows).map(([figure, title]) => [figure, row(plain, title)]));
}

function row(text: string, title: string): { value: number; operations: number } {
  const pattern = new RegExp(`^\\|\\s*${title}\\s*\\|\\s*([\\d.]+) (MiB/s|GiB/s|files/s)\\s*\\|`, "m");
  const match = pattern.exec(text);
  if (!match) throw new InvalidOutput(`juicefs bench: no row "${title}" with a figure`);
  const factor = { "MiB/s": MiB, "GiB/s": MiB * 1024, "files/s": 1 }[
    match[2] as "MiB/s" | "GiB/s" | "files/s"
  ];
  const value = Number(match[1]) * factor;
  if (!(value > 0)) throw new InvalidOutput(`juicefs bench: "${title}" is ${match[1] ?? "?"}`);
  return { value, operations: 1 };
}
