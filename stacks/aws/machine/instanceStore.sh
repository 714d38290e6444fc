#!/bin/bash
# Creates a file system on the machine's instance store, for caches: fast, local, and lost with the machine. Runs after each boot,
# because a stopped machine restarts with empty disks. Without such a disk it creates a plain folder.
# Usage: instanceStore.sh MOUNTPOINT [MODEL]
mountpoint=$1 model=${2:-Amazon EC2 NVMe Instance Storage}
label=disgrafs-cache
mkdir -p "$mountpoint"

# Select the disk by model, not by name: nvme0n1 and nvme1n1 may be swapped at each boot.
disks=()
for disk in /sys/block/nvme*; do
  [ -e "$disk/device/model" ] || continue
  read -r found <"$disk/device/model"
  [ "$found" != "$model" ] || disks+=("/dev/${disk##*/}")
done
if [ ${#disks[@]} -eq 0 ]; then
  echo "no instance store: $mountpoint is on the root volume"
  exit 0
fi
# Use the first disk by size, then by name: one disk is enough for a cache.
disk=$(lsblk -dbno SIZE,PATH "${disks[@]}" | sort -k1,1nr -k2,2 | awk 'NR == 1 { print $2 }')

if mountpoint -q "$mountpoint"; then
  source=$(findmnt -no SOURCE "$mountpoint")
  [ "$source" = "$disk" ] || { echo "$mountpoint is a mount of $source, not of $disk" >&2; exit 1; }
else
  if [ "$(blkid -o value -s LABEL "$disk" || true)" != "$label" ]; then
    # Never overwrite a disk with other data.
    if lsblk -no MOUNTPOINTS "$disk" | grep -q .; then
      echo "$disk is in use: $(lsblk -no MOUNTPOINTS "$disk" | xargs)" >&2
      exit 1
    fi
    signatures=$(wipefs --noheadings --output TYPE "$disk")
    [ -z "$signatures" ] || { echo "$disk is not empty: it holds $signatures" >&2; exit 1; }
    mkfs.ext4 -q -L "$label" -E lazy_itable_init=0,lazy_journal_init=0 "$disk"
  fi
  mount -o noatime,discard "$disk" "$mountpoint"
fi
echo "instance store $disk at $mountpoint"
