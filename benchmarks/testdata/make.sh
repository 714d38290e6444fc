#!/usr/bin/env bash
# Makes the fio and iostat files of this folder in the current folder, which must be scratch.
# Usage: make.sh FIO-VERSION SYSSTAT-VERSION OUTPUT-FOLDER
set -euo pipefail
fio_version=$1 sysstat=$2 out=$3
job=(fio --name=job --filename=./data --bs=4k --ioengine=psync)

"${job[@]}" --rw=randread --size=4M --direct=0 --thread --time_based --runtime=1 \
  --output-format=json+ --output="$out/fio-$fio_version-randread.txt" >/dev/null
"${job[@]}" --rw=randrw --rwmixread=70 --size=4M --thread --time_based --runtime=1 \
  --output-format=json --output="$out/fio-$fio_version-randrw-plain.txt" >/dev/null
# A note before the JSON, on standard output.
"${job[@]}" --rw=randread --size=1M --iodepth=16 --output-format=json >"$out/fio-$fio_version-note-first.txt"
# An I/O error: a device that is always full.
fio --name=job --filename=/dev/full --rw=write --bs=4k --size=64k --ioengine=psync --output-format=json \
  >"$out/fio-$fio_version-error.txt" 2>&1 || true

iostat -dxc -o JSON 1 4 >"$out/iostat-$sysstat.txt"
timeout -s INT 2.5 iostat -dxc -o JSON 1 9 >"$out/iostat-$sysstat-sigint.txt" || true
timeout -s TERM 2.5 iostat -dxc -o JSON 1 9 >"$out/iostat-$sysstat-sigterm.txt" || true
iostat -dxcy -o JSON 1 3 >"$out/iostat-$sysstat-y.txt"
