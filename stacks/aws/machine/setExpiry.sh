#!/bin/bash
# Sets when this machine powers itself off, for good: on EC2 a machine that powers off is terminated.
# Usage: setExpiry.sh TIME    (as 2026-11-25T18:00:00Z)
/usr/local/sbin/disgrafs-expire-at "$(date --date="$1" +%s)"
