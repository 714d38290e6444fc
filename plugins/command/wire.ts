/**
 * The wire format of property values between engine and provider: plain JSON, in which an object with a special signature key
 * represents a secret, an asset or an archive, and a fixed text represents "not known yet". Source: the signatures in
 * @pulumi/pulumi's runtime/rpc.
 */
export type Value = null | boolean | number | string | Value[] | { [key: string]: Value };
export type Properties = Record<string, Value>;

const signature = "4dabf18193072939515e22adb298388d";
const secretSignature = "1b47061264138c4ac30d75fd1eb44270";
const assetSignature = "c44067f5952c0a294b673a41bacd8c17";
const archiveSignature = "0def7320c3a5731c473e5ecbe6d01bc7";

/** Stands for a value that is known only after an update. */
export const unknown = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

/** File, text or address, as the engine sends them; `hash` is the engine's SHA-256 of the content, in hex. */
export interface Asset {
  readonly kind: "asset";
  readonly hash?: string;
  readonly path?: string;
  readonly text?: string;
  readonly uri?: string;
}

/** A folder or archive file by path, by address, or put together from assets. */
export interface Archive {
  readonly kind: "archive";
  readonly hash?: string;
  readonly path?: string;
  readonly uri?: string;
  readonly assets?: Readonly<Record<string, Asset | Archive>>;
}

/** True for a JSON object (neither null nor a list). */
export function isObject(value: Value | undefined): value is { [key: string]: Value } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function isSecret(value: Value | undefined): value is { [key: string]: Value } & { value: Value } {
  return isObject(value) && value[signature] === secretSignature;
}

/** The value marked as secret; a marked value is returned unchanged. */
export function secret(value: Value): Value {
  return isSecret(value) ? value : { [signature]: secretSignature, value };
}

/** The value without its secret marks, at any depth. */
export function plain(value: Value): Value {
  if (isSecret(value)) return plain(value.value);
  if (Array.isArray(value)) return value.map(plain);
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]));
}

/** Properties without their secret marks. */
export function plainProperties(properties: Properties): Properties {
  return Object.fromEntries(Object.entries(properties).map(([key, value]) => [key, plain(value)]));
}

/** True if the value, or a part of it, is not known. */
export function hasUnknown(value: Value | undefined): boolean {
  if (value === unknown) return true;
  if (Array.isArray(value)) return value.some(hasUnknown);
  return isObject(value) && Object.values(value).some(hasUnknown);
}

/** Every text inside a secret mark. */
export function secretTexts(value: Value, inside = false): string[] {
  if (typeof value === "string") return inside && value !== unknown ? [value] : [];
  if (isSecret(value)) return secretTexts(value.value, true);
  if (Array.isArray(value)) return value.flatMap((inner) => secretTexts(inner, inside));
  return isObject(value) ? Object.values(value).flatMap((inner) => secretTexts(inner, inside)) : [];
}

/** Reads an asset or archive; undefined if the value is something else. */
export function readAsset(value: Value | undefined): Asset | Archive | undefined {
  if (!isObject(value)) return undefined;
  const text = (key: string): string | undefined => (typeof value[key] === "string" ? value[key] : undefined);
  if (value[signature] === assetSignature) {
    // The engine writes unused forms as "", and a text asset may be an empty text.
    const path = text("path") || undefined;
    const uri = text("uri") || undefined;
    return { kind: "asset", hash: text("hash"), path, uri, text: path || uri ? undefined : text("text") };
  }
  if (value[signature] !== archiveSignature) return undefined;
  const assets = value["assets"];
  return {
    kind: "archive",
    hash: text("hash"),
    path: text("path") || undefined,
    uri: text("uri") || undefined,
    assets: isObject(assets)
      ? Object.fromEntries(
          Object.entries(assets).flatMap(([name, inner]) => {
            const asset = readAsset(inner);
            return asset ? [[name, asset]] : [];
          }),
        )
      : undefined,
  };
}

/** The asset or archive with another hash. */
export function withHash(value: Value, hash: string): Value {
  return isObject(value) ? { ...value, hash } : value;
}

/** An asset that is a file of this machine. */
export function fileAsset(path: string, hash: string): Value {
  return { [signature]: assetSignature, path, hash };
}

/** An archive put together from assets in wire form. */
export function assetArchive(assets: Record<string, Value>, hash: string): Value {
  return { [signature]: archiveSignature, assets, hash };
}
