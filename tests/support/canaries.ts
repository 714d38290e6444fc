/**
 * A script that prints the tests' secrets (`canary-`, then letters) that are in the arguments of processes or in the journal: none
 * should be. The pattern does not match its own command.
 */
export const exposedCanaries =
  "{ cat /proc/[0-9]*/cmdline | tr '\\0' ' '; journalctl -q -o cat; } | grep -o '[c]anary-[a-z]*' | sort -u || true";
