#!/usr/bin/env bash
# Extracts the ELF kernel from an x86 boot image (bzImage) and writes it to standard output. The image's setup header has
# its position and length: setup_sects, payload_offset and payload_length in Linux's Documentation/arch/x86/boot.rst.
# Usage: extract-vmlinux.sh VMLINUZ
set -euo pipefail
image=$1
number() { # OFFSET BYTES: reads an unsigned little-endian number from the header
  od -A n -t "u$2" -j "$1" -N "$2" "$image" | tr -d ' '
}

start=$((($(number 0x1f1 1) + 1) * 512 + $(number 0x248 4)))
# The last four bytes of the payload are its unpacked size, which is not part of the compressed data.
length=$(($(number 0x24c 4) - 4))
case $(od -A n -t x1 -j "$start" -N 4 "$image" | tr -d ' ') in
fd377a58) unpack=(xz -dc) ;;
28b52ffd) unpack=(zstd -dc) ;;
1f8b*) unpack=(gzip -dc) ;;
02214c18) unpack=(lz4 -dc) ;;
*)
  echo "extract-vmlinux: $image: the payload at byte $start is not compressed with xz, zstd, gzip or lz4" >&2
  exit 1
  ;;
esac
head -c "$((start + length))" "$image" | tail -c "$length" | "${unpack[@]}"
