# shellcheck shell=bash
# Sets the address of the volume's Redis for the arms' scripts: JUICEFS_META (redis://HOST:PORT/DB), redis_host, redis_port.
# The file uses systemd's syntax, not a shell's: values contain spaces without quotes.
JUICEFS_META=$(sed -n 's/^JUICEFS_META=//p' /etc/disgrafs/juicefs.env)
redis_port=${JUICEFS_META#*://} redis_port=${redis_port%%/*}
redis_host=${redis_port%:*} redis_port=${redis_port##*:}
