/**
 * Reads the host keys that cloud-init prints on a machine's console at first boot. The console is read by an authenticated
 * call to AWS, so nobody on the network can substitute a key. Unlike with user data, the private key never leaves the machine.
 */
const begin = "-----BEGIN SSH HOST KEY KEYS-----";
const end = "-----END SSH HOST KEY KEYS-----";

/** The ed25519 public key as "ssh-ed25519 AAAA..."; undefined until the console has all of it. */
export function hostKeyOf(console: string): string | undefined {
  // The last block: a machine that was started again has printed more than one.
  const start = console.lastIndexOf(begin);
  const stop = console.indexOf(end, start);
  if (start < 0 || stop < 0) return undefined;
  const block = console.slice(start + begin.length, stop);
  return /\bssh-ed25519 [A-Za-z0-9+/]{68}(?![A-Za-z0-9+/=])/.exec(block)?.[0];
}
