/** A file of each kind that DisGraFS tags, from its corpus: written on one node, found on another and in the page. */
import { once } from "node:events";
import { spawn } from "node:child_process";
import { basename, join } from "node:path";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";
import { quote } from "../../provisioning/shell.ts";
import { checkout } from "../../workshop/checkout.ts";
import { browserFlags } from "./browser.ts";

/** Runs a script on a node; gives what it printed. */
type On = (node: string, script: string) => Promise<string>;

export interface Piece {
  /** On the volume, from the root. */
  readonly path: string;
  readonly kind: string;
  /** What it is about: a search for it finds the file. */
  readonly word: string;
}

const folder = "/mnt/jfs/kinds";
/** Which tagger takes which kind. */
const taggers: Readonly<Record<string, string>> = {
  markdown: "text",
  music: "media",
  pdf: "pdf",
  picture: "picture",
  source: "source",
  text: "text",
  word: "word",
};

/** Writes them; with this seed the first seven files of a corpus are of seven kinds. */
export async function writeEachKind(on: On, node: string): Promise<Piece[]> {
  const corpus = `PYTHONPATH=/opt/disgrafs/app /opt/disgrafs/venv/bin/python -m disgrafs.corpus ${folder}`;
  const lines = (await on(node, `${corpus} --seed 926 --files 7`)).split("\n");
  const pieces = lines.map((line) => {
    const { path, kind, words } = JSON.parse(line) as { path: string; kind: string; words: string[] };
    return { path: join(folder, path), kind, word: words[0] ?? "" };
  });
  expect(pieces.map(({ kind }) => kind).sort()).toEqual(Object.keys(taggers));
  return pieces;
}

/** The command `disgrafs find` of a node gives each of them, once it has been tagged, by its word. */
export async function findInShell(on: On, node: string, pieces: readonly Piece[]): Promise<void> {
  const untilTagged = `for i in $(seq 300); do disgrafs find in:${folder} is:waiting >/dev/null 2>&1 || break; sleep 1; done`;
  const find = ({ word }: Piece): string => `disgrafs find --json ${quote(word)} in:${folder} is:tagged`;
  const answers = await on(
    node,
    `${untilTagged}\n${pieces.map((piece) => `${find(piece)} | jq -c .`).join("\n")}`,
  );
  const found = answers.split("\n").map((line, position) => {
    const { path } = pieces[position]!;
    const { files } = JSON.parse(line) as { files: { path: string; tags: { by: string }[] }[] };
    return [path, files.find((file) => file.path === path)?.tags[0]?.by];
  });
  expect(found).toEqual(pieces.map(({ path, kind }) => [path, taggers[kind]]));
}

/** The page that `./lab open disgrafs` leads to lists each of them for its word, and opens one. */
export async function findInPage(stack: string, token: string, pieces: readonly Piece[]): Promise<void> {
  const tunnel = spawn(join(checkout, "lab"), ["open", "disgrafs", "--stack", stack, "--print"], {
    cwd: checkout,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(tunnel, "exit");
  const browser = await chromium.launch({
    executablePath: "/usr/bin/chromium",
    args: [...browserFlags],
    timeout: 180_000,
  });
  try {
    const line = once(createInterface({ input: tunnel.stdout }), "line") as Promise<[string]>;
    const [address] = await Promise.race([
      line,
      ended.then(() => {
        throw new Error("./lab open disgrafs has ended");
      }),
    ]);
    const page = await browser.newPage();
    page.setDefaultTimeout(120_000);
    await page.goto(address);
    await page.fill("#token", token);
    await page.press("#token", "Enter");
    await page.waitForSelector("#result-list button");
    for (const { path, word } of pieces) {
      await page.fill("#query", `${word} in:${folder} is:tagged`);
      await page.press("#query", "Enter");
      await page.locator("#result-list .name", { hasText: basename(path) }).waitFor();
    }
    const last = basename(pieces.at(-1)?.path ?? "");
    await page.locator("#result-list button", { hasText: last }).click();
    await page.locator("#file h2", { hasText: last }).waitFor();
  } finally {
    await browser.close();
    tunnel.kill();
    await ended;
  }
}
