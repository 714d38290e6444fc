/** The scripts that start Redis, the object store and a JuiceFS mount on a test machine. */
import { nodeScript } from "./nodeScript.ts";

/** On the private network. */
export const address = "10.77.0.10";
export const password = "canary-password";
export const keys = ["canary-access", "canary-secret"];
export const meta = `redis://${address}:6379/0`;
export const mountPoint = "/mnt/a-b";
export const mount = (url: string) =>
  nodeScript("juicefs/mount.sh", [
    url,
    mountPoint,
    "/var/cache/juicefs",
    `${address}:9567`,
    "--attr-cache=1",
    "--buffer-size=64",
  ]);
export const format = (volume: string, bucket = `http://${address}:8333/disgrafs`) =>
  nodeScript("juicefs/format.sh", [meta, volume, "s3", bucket], keys);
export const startRedis = nodeScript("redis/start.sh", [address, "6379"], [password]);
export const startObjects = nodeScript("objects/start.sh", [address, "8333", "9333", "8080", "8888"], keys);
