#!/bin/bash
# Sets the time at which this machine powers itself off. On EC2 this terminates the machine.
# Usage: setExpiry.sh TIME    (in the form 2026-11-25T18:00:00Z)
/usr/local/sbin/disgrafs-expire-at "$(date --date="$1" +%s)"
