/**
 * A file of each kind that DisGraFS tags, from its corpus: written on one node, found from another's shell, by `./lab find`
 * and in the page; and what `./lab status` says of DisGraFS then.
 */
import { basename, join } from "node:path";
import { quote } from "../../provisioning/shell.ts";
import { launchBrowser } from "./browser.ts";
import { labForPrograms, onNode, openPage } from "./lab.ts";
import { saysThatDisgrafsIsWell } from "./well.ts";

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
async function writeEachKind(on: On, node: string): Promise<Piece[]> {
  const corpus = `PYTHONPATH=/opt/disgrafs/app /opt/disgrafs/venv/bin/python -m disgrafs.corpus ${folder}`;
  const lines = (await on(node, `${corpus} --seed 926 --files 7`)).split("\n");
  const pieces = lines.map((line) => {
    const { path, kind, words } = JSON.parse(line) as { path: string; kind: string; words: string[] };
    return { path: join(folder, path), kind, word: words[0] ?? "" };
  });
  expect(pieces.map(({ kind }) => kind).sort()).toEqual(Object.keys(taggers));
  return pieces;
}

interface Answer {
  readonly files: readonly { readonly path: string; readonly tags: readonly { readonly by: string }[] }[];
}

/** What an answer says of a piece: its path, and which tagger has tagged it. */
const taggedBy = ({ files }: Answer, { path }: Piece): (string | undefined)[] => [
  path,
  files.find((file) => file.path === path)?.tags[0]?.by,
];
const expected = (pieces: readonly Piece[]): (string | undefined)[][] =>
  pieces.map(({ path, kind }) => [path, taggers[kind]]);

/** The command `disgrafs find` of a node gives each of them, once it has been tagged, by its word. */
async function findInShell(on: On, node: string, pieces: readonly Piece[]): Promise<void> {
  // Given up only when nothing has been tagged for as many looks: a busy machine takes its time.
  const untilTagged = `
    tagged=0 idle=0
    until [ "$tagged" = ${pieces.length} ] || [ "$idle" = 120 ]; do
      sleep 1
      now=$(disgrafs find --json in:${folder} is:tagged 2>/dev/null | jq .total) || true
      if [ "\${now:-0}" = "$tagged" ]; then idle=$((idle + 1)); else tagged=$now idle=0; fi
    done`;
  const find = ({ word }: Piece): string => `disgrafs find --json ${quote(word)} in:${folder} is:tagged`;
  const answers = await on(
    node,
    `${untilTagged}\n${pieces.map((piece) => `{ ${find(piece)} || true; } | jq -c .`).join("\n")}`,
  );
  const found = answers
    .split("\n")
    .map((line, position) => taggedBy(JSON.parse(line) as Answer, pieces[position]!));
  expect(found).toEqual(expected(pieces));
}

/** `./lab find` gives them, from this computer. */
async function findFromHere(stack: string, pieces: readonly Piece[]): Promise<void> {
  const find = (...words: string[]) => labForPrograms("find", "--stack", stack, ...words);
  const answer = JSON.parse((await find("--json", `in:${folder}`)).output) as Answer;
  expect(pieces.map((piece) => taggedBy(answer, piece))).toEqual(expected(pieces));
  const [{ path, word }] = pieces as [Piece];
  const lines = (await find(word, `in:${folder}`)).output.split("\n");
  expect(lines.map((line) => line.split("\t")[0])).toContain(path);
  // As grep: nothing found is 1, and nothing is printed.
  expect(await find("quetzalcoatl")).toEqual({ exitCode: 1, output: "" });
}

/** The page that `./lab open disgrafs` leads to lists each of them for its word, and opens one. */
async function findInPage(stack: string, token: string, pieces: readonly Piece[]): Promise<void> {
  const { address, close } = await openPage(stack, "disgrafs");
  try {
    const browser = await launchBrowser();
    try {
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
    }
  } finally {
    await close();
  }
}

/**
 * What node2 writes, a file of each kind, is found: from node1's shell, by `./lab find` and in the page; and all is well then.
 * @param others how many tagged files the volume has besides
 */
export async function eachKindIsFound(stack: string, others: number): Promise<void> {
  const on: On = (node, script) => onNode(stack, node, script);
  const pieces = await writeEachKind(on, "node2");
  await findInShell(on, "node1", pieces);
  await findFromHere(stack, pieces);
  await findInPage(stack, await on("node1", "cat /etc/disgrafs/api-token"), pieces);
  await saysThatDisgrafsIsWell(stack, others + pieces.length);
}
