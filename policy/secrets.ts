/**
 * Finds secrets in a text by their form (keys, tokens, passwords in URLs and settings) and by their entropy, also inside gzip
 * and base64 data. The name of a place that stores a secret (a file, a variable, an ARN) is not a secret.
 */
import { gunzipSync } from "node:zlib";

const shapes: Readonly<Record<string, RegExp>> = {
  "a private key": /BEGIN [A-Z ]*PRIVATE KEY/,
  "an access key": /\b(AKIA|ASIA)[A-Z0-9]{16}\b/,
  "a token":
    /\b(gh[pousr]_\w{30,}|github_pat_\w{30,}|glpat-[\w-]{20,}|xox[abprs]-[\w-]{10,}|[sr]k_live_\w{16,}|AIza[\w-]{35}|hf_\w{30,})|\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]+/,
  "a password's hash": /\$(1|2[aby]|5|6|y)\$[./\w$]{8,}/,
};
/** Settings whose value is a secret. Not sudo's `nopasswd` and cloud-init's `lock_passwd`, which have no password. */
const setting =
  /(?<![\w-])(?!no_?passwd|lock_passwd)([\w-]*(?:passw(?:or)?d|passphrase|secret|token|api_?key|access_?key)\w*)["']?\s*[:=]\s*(.*)$/gim;
/** Redis directives, which need no sign between name and value. */
const directive = /^\s*(?:-\s*|--)?(requirepass|masterauth)["']?[\s:=]+(.*)$/gim;
const inUrl = /\b[a-z][a-z0-9+.-]*:\/\/[^\s/:@"']*:([^\s/@"']+)@/gi;
/** `echo root:word | chpasswd`, and cloud-init's `chpasswd: {list: "root:word"}`. */
const chpasswd =
  /echo\s+["']?[\w.-]+:([^\s"'|]+)["']?\s*\|\s*(?:sudo\s+)?chpasswd|chpasswd:[^]{0,40}?\blist:\s*[|>]?-?\s*\n?\s*["']?[\w.-]+:(\S+)/gi;

/** The kind of the first secret in a text; undefined if there is none. */
export function secretIn(text: string, depth = 0): string | undefined {
  const shape = Object.entries(shapes).find(([, pattern]) => pattern.test(text));
  if (shape) return shape[0];
  const passwords = [
    ...[...text.matchAll(setting)].map(([, , value = ""]) => value),
    ...[...text.matchAll(directive)].map(([, , value = ""]) => value),
    ...[...text.matchAll(inUrl)].map(([, value = ""]) => value),
    ...[...text.matchAll(chpasswd)].map(([, one, two]) => one ?? two ?? ""),
  ];
  if (passwords.some(isLiteral)) return "a password";
  for (const word of text.matchAll(/(?<![\w+/=-])[A-Za-z0-9+/_-]{16,}={0,2}/g)) {
    const inner = depth < 3 ? unpacked(Buffer.from(word[0], "base64")) : undefined;
    const found = inner === undefined ? undefined : secretIn(inner, depth + 1);
    if (found !== undefined) return found;
    if (inner === undefined && isRandom(word[0]) && !isPublic(text, word.index))
      return "something like a token";
  }
  return undefined;
}

/** Decodes user data as cloud-init does: base64 and gzip are optional. */
export function unpackedUserData(text: string, base64: boolean): string {
  const bytes = base64 ? Buffer.from(text, "base64") : Buffer.from(text, "latin1");
  if (isGzip(bytes)) return unpacked(bytes) ?? "";
  return base64 ? bytes.toString("utf8") : text;
}

/** Whether a value is the secret itself, not the name of the place where it is stored. */
function isLiteral(value: string): boolean {
  const first =
    value
      .trim()
      .replace(/^["']/, "")
      .split(/["',\s}\]]/)[0] ?? "";
  if (first === "" || /^[{[|>&*!#<%]/.test(first)) return false; // An object, a list, a block, a placeholder.
  if (/^(\$|`)/.test(first)) return false; // A variable, or the output of a command.
  if (/^(arn:|\/|~\/|\.\/|file:|https?:\/\/[^@]*$)/.test(first)) return false; // The place where it is stored.
  return !/^(true|false|yes|no|on|off|null|none|\d{1,3})$/i.test(first);
}

function isGzip(bytes: Buffer): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b;
}

/** The text in some bytes, after gunzip if needed; undefined if they are not text. */
function unpacked(bytes: Buffer): string | undefined {
  if (isGzip(bytes)) {
    try {
      return gunzipSync(bytes, { maxOutputLength: 1 << 20 }).toString("utf8");
    } catch {
      return undefined;
    }
  }
  const text = bytes.toString("utf8");
  return bytes.length >= 12 && /^[\t\n\r\x20-\x7e]+$/.test(text) ? text : undefined;
}

/** Whether a word is long, mixes character classes and has high entropy. Hex hashes do not count: they verify software. */
function isRandom(word: string): boolean {
  const longest = word.split(/[/_-]/).reduce((a, b) => (b.length > a.length ? b : a), "");
  if (longest.length < 20 || ![/[a-z]/, /[A-Z]/, /\d/].every((kind) => kind.test(longest))) return false;
  return entropy(longest) >= Math.min(4, Math.log2(longest.length) * 0.85);
}

/** Bits per character. */
function entropy(word: string): number {
  const counts = new Map<string, number>();
  for (const letter of word) counts.set(letter, (counts.get(letter) ?? 0) + 1);
  return [...counts.values()].reduce(
    (sum, count) => sum - (count / word.length) * Math.log2(count / word.length),
    0,
  );
}

/** Whether the word at `index` is part of a public SSH key, a hash or a certificate: random, but not a secret. */
function isPublic(text: string, index: number): boolean {
  const before = text.slice(Math.max(0, index - 4000), index);
  return (
    /(ssh-\w+|ecdsa-[\w-]+|sk-[\w@.-]+|sha\d{3}[-:=])\s*$/.test(before) ||
    /BEGIN (CERTIFICATE|PGP PUBLIC KEY)[^]*$/.test(before.split(/END (?:CERTIFICATE|PGP)/).at(-1) ?? "")
  );
}
