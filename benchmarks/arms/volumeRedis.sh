# shellcheck shell=bash
# Where the volume's Redis is, for the scripts of arms: sets JUICEFS_META (redis://HOST:PORT/DB), redis_host, redis_port.
# The file has systemd's syntax and not a shell's: values have spaces and no quotes.
JUICEFS_META=$(sed -n 's/^JUICEFS_META=//p' /etc/disgrafs/juicefs.env)
redis_port=${JUICEFS_META#*://} redis_port=${redis_port%%/*}
redis_host=${redis_port%:*} redis_port=${redis_port##*:}
