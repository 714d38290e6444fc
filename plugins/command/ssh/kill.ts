/**
 * Ends the process of an SSH channel on the remote machine, with all its children. SSH's signal request reaches neither a process
 * of another user (sudo) nor one in a separate session, so this reads /proc instead: each channel's process is a child of the
 * sshd that serves the connection, and sshd starts them in the order in which the channels were requested. The remote part is one
 * line for `sh`, made of shell builtins.
 */

/** A process: its id, and its start time in clock ticks, so that a reused id is recognised. */
export interface Child {
  readonly pid: number;
  readonly start: number;
}

export interface Children {
  /** The process that made the list. */
  readonly self: number;
  /** All living children of the sshd that serves this connection, including the process that made the list, oldest first. */
  readonly children: readonly Child[];
}

// Fields of /proc/PID/stat after the name in parentheses: 1 state, 2 parent, 4 session, 20 start time. `exec` makes the
// login shell become this sh, whose parent is then sshd.
const list =
  "exec 2>/dev/null; for d in /proc/[0-9]*; do IFS= read -r l <$d/stat || continue; set -- ${l##*) }; " +
  '[ "$2" = "$PPID" ] && { [ "$1" = Z ] || echo "${d#/proc/} ${20}"; }; done; echo "self $$"';

/** Command that prints the children of this connection's sshd. */
export const listCommand = `exec sh -c '${list}'`;

export function parseChildren(text: string): Children | undefined {
  const self = /^self (\d+)$/m.exec(text)?.[1];
  if (self === undefined) return undefined;
  const children = [...text.matchAll(/^(\d+) (\d+)$/gm)].map((match) => ({
    pid: Number(match[1]),
    start: Number(match[2]),
  }));
  children.sort((a, b) => a.start - b.start || a.pid - b.pid);
  return { self: Number(self), children };
}

/**
 * The processes of the given channels. Both lists are in the order of the requests; `live` are the positions of all channels
 * that were requested before the listing one and have not ended. Undefined if the lists do not match because a process has just
 * ended: list again.
 */
export function match(found: Children, live: number, wanted: readonly number[]): Child[] | undefined {
  const before = found.children.slice(
    0,
    found.children.findIndex((child) => child.pid === found.self),
  );
  if (before.length !== live) return undefined;
  return wanted.flatMap((place) => before[place] ?? []);
}

// Everything in the session of a root process or below one in the tree of parents gets TERM; after 5 s KILL, whose work is
// waited for up to 5 s. Processes that come in between are found by looking again. A process of another user is reached by
// sudo, where that needs no password. The last line tells which processes are left.
const kill =
  "exec 2>/dev/null; " +
  "scan() { all=; for d in /proc/[0-9]*; do IFS= read -r l <$d/stat || continue; set -- ${l##*) }; " +
  '[ "$1" = Z ] || all="$all ${d#/proc/}:$2:$4:${20}"; done; }; ' +
  'grow() { new=1; while [ $new = 1 ]; do new=0; for e in $all; do p=${e%%:*}; case "$tree " in *" $p "*) continue;; esac; ' +
  "r=${e#*:}; q=${r%%:*}; r=${r#*:}; s=${r%%:*}; " +
  'case "$tree " in *" $q "*|*" $s "*) tree="$tree $p"; new=1;; esac; done; done; }; ' +
  'living() { left=; for e in $all; do case "$tree " in *" ${e%%:*} "*) left="$left ${e%%:*}";; esac; done; }; ' +
  "send() { kill -$1 $left || sudo -n kill -$1 $left; }; " +
  'scan; tree=; for e in $all; do for root in "$@"; do [ "${e%%:*}:${e##*:}" = "$root" ] && tree="$tree ${e%%:*}"; done; done; ' +
  'grow; living; n=0; [ -z "$left" ] || send TERM; ' +
  'while [ -n "$left" ] && [ $n -lt 50 ]; do sleep 0.1 || sleep 1; n=$((n+1)); scan; grow; living; done; ' +
  '[ -z "$left" ] || send KILL; n=0; ' +
  'while [ -n "$left" ] && [ $n -lt 25 ]; do sleep 0.2 || sleep 1; n=$((n+1)); scan; living; done; echo "left$left"';

/** Command that ends the trees below some processes; takes about 5 s if they ignore TERM. */
export function killCommand(roots: readonly Child[]): string {
  return `exec sh -c '${kill}' sh ${roots.map(({ pid, start }) => `${pid}:${start}`).join(" ")}`;
}

/** The ids of the remaining processes. */
export function parseLeft(text: string): number[] | undefined {
  const line = /^left((?: \d+)*)$/m.exec(text)?.[1];
  return line === undefined ? undefined : line.split(" ").filter(Boolean).map(Number);
}
