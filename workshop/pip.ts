/** pip, for packages of the nodes: their Python is not this computer's. */
import { execa } from "execa";

const platforms = ["manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64", "any"];

/**
 * Downloads or installs exactly the wheels of a list, after checking their hashes.
 * @param command `download` or `install`, with its destination
 */
export async function pipForNodes(
  command: readonly [string, ...string[]],
  requirements: string,
): Promise<void> {
  const [name, ...destination] = command;
  await execa("python3", [
    ...["-m", "pip", name, "-q", "--no-deps", "--require-hashes", "--only-binary=:all:", ...destination],
    ...["--python-version", "3.13", ...platforms.flatMap((platform) => ["--platform", platform])],
    ...["-r", requirements],
  ]);
}
