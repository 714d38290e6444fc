/**
 * Checks that a file of each kind that DisGraFS tags, written on one node, is found from another node's shell, by `./lab find`
 * and in the page, and that `./lab status` then reports no problems.
 */
import { basename, join } from "node:path";
import { quote } from "../../provisioning/shell.ts";
import { launchBrowser } from "./browser.ts";
import { labForPrograms, onNode, openPage } from "./lab.ts";
import { saysThatDisgrafsIsWell } from "./well.ts";

/** Runs a script on a node, and returns its output. */
type On = (node: string, script: string) => Promise<string>;

export interface Piece {
  /** Path from the root of the volume. */
  readonly path: string;
  readonly kind: string;
  /** A word that finds the file. */
  readonly word: string;
}

const folder = "/mnt/jfs/kinds";
/** The tagger of each kind. */
const taggers: Readonly<Record<string, string>> = {
  markdown: "text",
  music: "media",
  pdf: "pdf",
  picture: "picture",
  source: "source",
  text: "text",
  word: "word",
};

/** Writes the files; with this seed, the first seven files of a corpus have seven kinds. */
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

/** A file in a search result: its path, and the tagger that has tagged it. */
const taggedBy = ({ files }: Answer, { path }: Piece): (string | undefined)[] => [
  path,
  files.find((file) => file.path === path)?.tags[0]?.by,
];
const expected = (pieces: readonly Piece[]): (string | undefined)[][] =>
  pieces.map(({ path, kind }) => [path, taggers[kind]]);

/** A node's command `disgrafs find` finds each file by its word, once it has been tagged. */
async function findInShell(on: On, node: string, pieces: readonly Piece[]): Promise<void> {
  // Gives up only if no further file has been tagged in as many attempts, because a machine may be busy.
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

/** `./lab find` finds the files from this computer. */
export async function findFromHere(stack: string, pieces: readonly Piece[]): Promise<void> {
  const find = (...words: string[]) => labForPrograms("find", "--stack", stack, ...words);
  const answer = JSON.parse((await find("--json", `in:${folder}`)).output) as Answer;
  expect(pieces.map((piece) => taggedBy(answer, piece))).toEqual(expected(pieces));
  const [{ path, word }] = pieces as [Piece];
  const lines = (await find(word, `in:${folder}`)).output.split("\n");
  expect(lines.map((line) => line.split("\t")[0])).toContain(path);
  // Like grep: status 1 and no output if nothing is found.
  expect(await find("quetzalcoatl")).toEqual({ exitCode: 1, output: "" });
}

/** The page of `./lab open disgrafs` finds each file by its word, and opens one. */
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
 * Writes a file of each kind on a node, and finds them from node1's shell, by `./lab find` and in the page; then checks the status.
 * @param others number of other tagged files on the volume
 */
export async function eachKindIsFound(stack: string, others: number, writer = "node2"): Promise<Piece[]> {
  const on: On = (node, script) => onNode(stack, node, script);
  const pieces = await writeEachKind(on, writer);
  await findInShell(on, "node1", pieces);
  await findFromHere(stack, pieces);
  await findInPage(stack, await on("node1", "cat /etc/disgrafs/api-token"), pieces);
  await saysThatDisgrafsIsWell(stack, others + pieces.length);
  return pieces;
}
