/**
 * The image of DisGraFS's graph on a client's data disk, in a lab of one machine: `disgrafs find --index` gives what the graph gives,
 * reads the disk through the doors of the extension storage-chain, and answers without the graph.
 */
import { onNode, removeStack, story, succeed, upWith } from "./support/lab.ts";

// ./lab test recognises a test's stack by this name, and removes it after a killed test.
const stack = `labtest-${process.pid}`;
const minutes = (count: number): number => count * 60_000;
const on = (script: string): Promise<string> => onNode(stack, "node1", script);
const { step } = story();

const folder = "/mnt/jfs/kinds";
const files = 7;
const extension = "/opt/disgrafs/extensions/storage-chain/bin";
const device = "/run/disgrafs/storage-chain/device";

interface Found {
  readonly path: string;
  readonly size: number;
  readonly tags?: readonly { readonly name: string }[];
}
const find = async (...words: string[]): Promise<Found[]> =>
  (JSON.parse(await on(`disgrafs find --json --limit 200 ${words.join(" ")}`)) as { files: Found[] }).files;
const inOrder = (found: readonly Found[]): [string, number][] =>
  found.map(({ path, size }): [string, number] => [path, size]).sort();

/** Writes the image; the documented commands. */
const writeImage = `set -a; . /etc/disgrafs/disgrafs.env; set +a
  /opt/disgrafs/venv/bin/python -m disgrafs.imageindex`;
/** Nodes that the doors have read. */
const reads = async (): Promise<number> =>
  Number(await on(`${extension}/storage-chain --status | jq .facts.reads`));

describe("the graph's image on a client's data disk", () => {
  let tagged: Found[];
  afterAll(async () => {
    await removeStack(stack);
  }, minutes(5));

  step(
    "is written from the tagged files of a lab with both",
    async () => {
      await upWith(stack, [
        "topology=single",
        "benchmark=none",
        "disgrafs=true",
        "extensions.storage-chain.required=true",
      ]);
      const corpus = `PYTHONPATH=/opt/disgrafs/app /opt/disgrafs/venv/bin/python -m disgrafs.corpus ${folder}`;
      await on(`${corpus} --seed 926 --files ${files} >/dev/null
        for _ in {1..600}; do
          tagged=$(disgrafs find --json in:${folder} is:tagged 2>/dev/null | jq .total) || true
          [ "\${tagged:-0}" = ${files} ] && break
          sleep 1
        done`);
      tagged = await find(`in:${folder}`, "is:tagged");
      expect(tagged).toHaveLength(files);
      // Blank, or with the index of /etc by which the extension was verified.
      expect(await on(writeImage)).toContain('"image"');
      expect(await on(`lsblk -dno SERIAL "$(readlink ${device})"`)).toBe("data");
    },
    minutes(45),
  );

  step(
    "gives what the graph gives, by tag, by tag in a folder and by path, through the doors",
    async () => {
      const names = [...new Set(tagged.flatMap(({ tags = [] }) => tags.map(({ name }) => name)))];
      expect(names.length).toBeGreaterThan(files);
      const before = await reads();
      for (const name of names.slice(0, 10)) {
        const expected = inOrder(await find(`"tag:${name}"`));
        expect(inOrder(await find("--index", `"tag:${name}"`))).toEqual(expected);
        expect(inOrder(await find("--index", `"tag:${name}"`, `in:${folder}`))).toEqual(
          expected.filter(([path]) => path.startsWith(`${folder}/`)),
        );
      }
      for (const { path, size } of tagged)
        expect(inOrder(await find("--index", `'${path}'`))).toEqual([[path, size]]);
      expect((await reads()) - before).toBeGreaterThan(tagged.length);
    },
    minutes(15),
  );

  step(
    "answers while the graph is stopped, and without doors; not after the image was erased",
    async () => {
      const [{ path, size }] = tagged as [Found];
      await on("systemctl stop disgrafs-graph.service");
      await expect(find(`in:${folder}`)).rejects.toThrow(/disgrafs: /);
      expect(inOrder(await find("--index", `'${path}'`))).toEqual([[path, size]]);
      const disk = await on(`readlink ${device}`);
      await on("systemctl stop disgrafs-extension@storage-chain.service");
      const direct = `DISGRAFS_IMAGE=${disk} disgrafs find --index --json '${path}' | jq -r '.files[].path'`;
      expect(await on(direct)).toBe(path);
      await on(`dd if=/dev/zero of=${disk} bs=4096 count=1 conv=fsync status=none`);
      await expect(on(direct)).rejects.toThrow("has no image");
      await on("systemctl start disgrafs-graph.service");
      expect(await succeed("down", "--stack", stack)).toContain(`0 left of stack ${stack}`);
    },
    minutes(15),
  );
});
