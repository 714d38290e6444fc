/**
 * Parses iostat's JSON (`iostat -dxc -o JSON`) from sysstat 12.6 and 12.7, report by report: an interrupted iostat omits the end,
 * and with `-y` some versions write an extra comma.
 */
import { z } from "zod";
import { closing, InvalidOutput, shaped } from "./json.ts";

/** Rates of one device over one interval, by iostat's own names (r/s, rkB/s, util ...): a missing key is absent. */
export type DeviceSample = Readonly<Record<string, number>>;

export interface IostatSample {
  /** Percent of CPU time by iostat's own names: user, nice, system, iowait, steal, idle. */
  readonly cpu: Readonly<Record<string, number>>;
  readonly devices: Readonly<Record<string, DeviceSample>>;
}

export interface Iostat {
  /** One a second; the first report, an average since boot, is left out. */
  readonly samples: readonly IostatSample[];
  /** True if the end was missing, and only complete reports were kept. */
  readonly mended: boolean;
}

const report = z.object({
  "avg-cpu": z.record(z.string(), z.number()),
  disk: z.array(z.looseObject({ disk_device: z.string() })),
});

/** Parses the output of one iostat that ran without `-y`. */
export function parseIostat(text: string): Iostat {
  const opening = /"statistics"\s*:\s*\[/g;
  const found = opening.exec(text);
  if (!found) throw new InvalidOutput(`iostat wrote ${text.trim() === "" ? "nothing" : "no statistics"}`);
  if (opening.exec(text)) throw new InvalidOutput("iostat: more than one document in one file");
  const { reports, complete } = objects(text, found.index + found[0].length);
  const samples = reports.map((entry) => sample(shaped(report, entry, "iostat")));
  if (samples.length === 0) throw new InvalidOutput("iostat: cut off before its first report was whole");
  return { samples: samples.slice(1), mended: !complete };
}

/** Complete objects of an array whose `[` is just before `start`, up to its `]` or the end of the text. */
function objects(text: string, start: number): { reports: unknown[]; complete: boolean } {
  const reports: unknown[] = [];
  let index = start;
  while (index < text.length) {
    const character = text[index];
    if (character === "]") return { reports, complete: closed(text) };
    if (character !== "{") {
      index++;
      continue;
    }
    const end = closing(text, index);
    if (end === undefined) break;
    try {
      reports.push(JSON.parse(text.slice(index, end)));
    } catch (error) {
      throw new InvalidOutput(`iostat: broken report ${reports.length + 1}: ${(error as Error).message}`);
    }
    index = end;
  }
  return { reports, complete: false };
}

/** Whether the document is complete. */
function closed(text: string): boolean {
  const start = text.indexOf("{");
  return start >= 0 && closing(text, start) !== undefined;
}

function sample(entry: z.infer<typeof report>): IostatSample {
  const devices = entry.disk.map(({ disk_device, ...rest }) => [
    disk_device,
    Object.fromEntries(
      Object.entries(rest).filter((pair): pair is [string, number] => typeof pair[1] === "number"),
    ),
  ]);
  return { cpu: entry["avg-cpu"], devices: Object.fromEntries(devices) as IostatSample["devices"] };
}
