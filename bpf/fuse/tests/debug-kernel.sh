#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Runs the tests of the module (run.py) on a debug kernel. Debian has none, so it
# is built here from Debian's source package. As root:
#
#   debug-kernel.sh KIND FOLDER [pattern of run.py's tests]
#
# KIND	lockdep: locks, RCU, contexts, freed objects; one CPU
#	kcsan: data races; two CPUs, so nothing is loaded and unloaded under
#	requests there (docs/fuse-extension.md, "A limit of emulation")
# FOLDER	needs 4 GB; results of earlier runs in it are reused
#
# Needs mmdebstrap, qemu-system-x86 and e2fsprogs. From the environment: CPUS,
# SECONDS_MAX, EXTRA (more lines of configuration), and the variables of run.py.
# Exit status: 0 if every test passed and the kernel reported no problem.
set -euo pipefail
kind=$1
mkdir -p "$2"
folder=$(realpath "$2")
pattern=${3:-}
here=$(realpath "$(dirname "$0")")
bpf=$(realpath "$here/../..")
version=6.12

# A small kernel that boots a Debian root in QEMU and runs the tests. Options that
# are not listed are off or have their defaults.
configuration() {
	cat <<-'END'
		CONFIG_64BIT=y
		CONFIG_SMP=y
		CONFIG_NR_CPUS=4
		CONFIG_PREEMPT=y
		CONFIG_HIGH_RES_TIMERS=y
		CONFIG_NO_HZ_IDLE=y
		CONFIG_HZ_250=y
		CONFIG_HYPERVISOR_GUEST=y
		CONFIG_PARAVIRT=y
		# CONFIG_CPU_MITIGATIONS is not set
		CONFIG_ACPI=y
		CONFIG_PCI=y
		CONFIG_PCI_MSI=y
		CONFIG_TTY=y
		CONFIG_SERIAL_8250=y
		CONFIG_SERIAL_8250_CONSOLE=y
		CONFIG_HW_RANDOM=y
		CONFIG_RTC_CLASS=y
		CONFIG_BLOCK=y
		CONFIG_BLK_DEV_NVME=y
		CONFIG_EXT4_FS=y
		CONFIG_PROC_FS=y
		CONFIG_SYSFS=y
		CONFIG_TMPFS=y
		CONFIG_DEVTMPFS=y
		CONFIG_CGROUPS=y
		CONFIG_NAMESPACES=y
		CONFIG_SYSVIPC=y
		CONFIG_POSIX_MQUEUE=y
		CONFIG_BINFMT_ELF=y
		CONFIG_BINFMT_SCRIPT=y
		CONFIG_NET=y
		CONFIG_UNIX=y
		CONFIG_INET=y
		CONFIG_IPV6=y
		CONFIG_FUSE_FS=y
		CONFIG_MODULES=y
		CONFIG_MODULE_UNLOAD=y
		CONFIG_MAGIC_SYSRQ=y
		CONFIG_KALLSYMS_ALL=y
		CONFIG_UNWINDER_FRAME_POINTER=y
		CONFIG_BPF_SYSCALL=y
		CONFIG_BPF_JIT=y
		CONFIG_BPF_JIT_ALWAYS_ON=y
		CONFIG_PERF_EVENTS=y
		CONFIG_FTRACE=y
		CONFIG_FUNCTION_TRACER=y
		CONFIG_DYNAMIC_FTRACE=y
		CONFIG_KPROBES=y
		CONFIG_KPROBE_EVENTS=y
		CONFIG_BPF_EVENTS=y
		CONFIG_DEBUG_KERNEL=y
		CONFIG_DEBUG_INFO_DWARF5=y
		CONFIG_DEBUG_INFO_BTF=y
	END
	case $kind in
	lockdep) cat <<-'END' ;;
		CONFIG_PROVE_LOCKING=y
		CONFIG_DEBUG_LOCK_ALLOC=y
		CONFIG_PROVE_RAW_LOCK_NESTING=y
		CONFIG_PROVE_RCU=y
		CONFIG_RCU_EXPERT=y
		CONFIG_PROVE_RCU_LIST=y
		CONFIG_DEBUG_ATOMIC_SLEEP=y
		CONFIG_DEBUG_PREEMPT=y
		CONFIG_DEBUG_IRQFLAGS=y
		CONFIG_DEBUG_LIST=y
		CONFIG_DEBUG_OBJECTS=y
		CONFIG_DEBUG_OBJECTS_FREE=y
		CONFIG_DEBUG_OBJECTS_RCU_HEAD=y
		CONFIG_DEBUG_OBJECTS_WORK=y
		CONFIG_DEBUG_OBJECTS_TIMERS=y
		CONFIG_SLUB_DEBUG=y
		CONFIG_SLUB_DEBUG_ON=y
		CONFIG_FTRACE_RECORD_RECURSION=y
	END
	kcsan) cat <<-'END' ;;
		CONFIG_KCSAN=y
		CONFIG_KCSAN_EARLY_ENABLE=y
		CONFIG_KCSAN_SELFTEST=y
		CONFIG_KCSAN_DELAY_RANDOMIZE=y
		CONFIG_KCSAN_SKIP_WATCH_RANDOMIZE=y
		CONFIG_KCSAN_REPORT_RACE_UNKNOWN_ORIGIN=y
		CONFIG_KCSAN_ASSUME_PLAIN_WRITES_ATOMIC=y
		# CONFIG_KCSAN_STRICT is not set
		# CONFIG_KCSAN_REPORT_VALUE_CHANGE_ONLY is not set
		CONFIG_KCSAN_REPORT_ONCE_IN_MS=1000
		CONFIG_KCSAN_SKIP_WATCH=2000
	END
	*)
		echo "KIND is lockdep or kcsan, not $kind" >&2
		exit 2
		;;
	esac
	if [ -n "${EXTRA:-}" ]; then echo "$EXTRA"; fi
}

# root NAME PACKAGES: makes a Debian root; renamed when complete
root() {
	if [ -e "$folder/$1" ]; then return; fi
	rm -rf "$folder/$1.partial"
	mmdebstrap --variant=apt --mode=root --include="$2" --aptopt='Acquire::Languages "none"' \
		trixie "$folder/$1.partial" >"$folder/$1.log" 2>&1
	mv "$folder/$1.partial" "$folder/$1"
}

# Runs a command in the builder's root, with /proc mounted in a separate namespace.
inside() {
	# shellcheck disable=SC2016 # the inner shell's
	(cd / && unshare --mount --propagation private sh -c 'mount --rbind /proc "$0/proc" && exec chroot "$0" "$@"' \
		"$folder/builder" "$@")
}

kernel() {
	local build="$folder/builder/dbg/$kind" tree=/dbg/linux-source-$version
	configuration >"$folder/builder/dbg/$kind.configuration"
	if [ ! -e "$folder/builder$tree" ]; then
		tar -C "$folder/builder/dbg" -xf "$folder/builder/usr/src/linux-source-$version.tar.xz"
	fi
	inside make -s -C "$tree" O="/dbg/$kind" LOCALVERSION="-$kind" \
		KCONFIG_ALLCONFIG="/dbg/$kind.configuration" allnoconfig
	# Kconfig silently drops options whose dependencies are off.
	configuration | while read -r line; do
		symbol=$(grep -o 'CONFIG_[A-Z0-9_]*' <<<"$line")
		value=$(grep "^$symbol=" "$build/.config" || echo "# $symbol is not set")
		if [ "$line" != "$value" ]; then
			echo "Kconfig changed $line to: $value" >&2
			exit 1
		fi
	done
	inside make -s -j"$(nproc)" -C "$tree" O="/dbg/$kind" LOCALVERSION="-$kind" bzImage modules
}

# The extension, with the sources beside this script.
extension() {
	local source="$folder/builder/source"
	rm -rf "$source"
	mkdir "$source"
	cp -r "$bpf/common" "$bpf/fuse" "$source"
	inside make -s -C /source/fuse KDIR="/dbg/$kind" OUT="/out-$kind" CC=gcc
}

guest() {
	local guest="$folder/guest-$kind"
	rm -rf "$guest"
	cp -a "$folder/guest" "$guest"
	mkdir "$guest/efuse"
	cp "$folder/builder/out-$kind"/{*.ko,*.o,efuse-agent,efuse-agent-faulty,efuse-fuzz,efuse-count} "$guest/efuse"
	cp -r "$here" "$guest/efuse/tests"
	cat >"$guest/test-init" <<-'END'
		#!/bin/bash
		# Runs the tests, and then powers the machine off.
		export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
		mountpoint -q /dev || mount -t devtmpfs dev /dev
		mount -t proc proc /proc
		mount -t sysfs sysfs /sys
		mkdir -p /dev/pts /dev/shm
		mount -t devpts devpts /dev/pts
		for at in /dev/shm /run /tmp; do mount -t tmpfs tmpfs "$at"; done
		mount -t tracefs tracefs /sys/kernel/tracing
		mount -t bpf bpf /sys/fs/bpf
		ip link set lo up
		dmesg -n 1
		timeout "$SECONDS_MAX" python3 /efuse/tests/run.py /efuse "$PATTERN"
		echo "# kernel log"
		dmesg --color=never
		echo "# end of the kernel log"
		grep -h debug_locks /proc/lockdep_stats 2>/dev/null
		sync
		echo o >/proc/sysrq-trigger
		sleep 100
	END
	chmod +x "$guest/test-init"
	rm -f "$guest.ext4"
	mke2fs -q -F -t ext4 -O ^has_journal -d "$guest" "$guest.ext4" 4G
	rm -rf "$guest"
}

# Kernel parameters that the kernel does not know become init's environment.
boot() {
	local cpus=1 limit=${SECONDS_MAX:-3000} settings="" name
	for name in EFUSE_CYCLES EFUSE_CYCLE_SECONDS EFUSE_HOOKS EFUSE_FUZZ_SECONDS EFUSE_LOAD_SECONDS; do
		settings+=" ${!name+$name=${!name}}"
	done
	if [ "$kind" = kcsan ]; then
		cpus=2
		pattern=${pattern:-^(?!load and unload)}
	fi
	timeout $((limit + 300)) qemu-system-x86_64 -nodefaults -display none -no-reboot -accel tcg,thread=multi \
		-cpu max -smp "${CPUS:-$cpus}" -m 2048 -kernel "$folder/builder/dbg/$kind/arch/x86/boot/bzImage" \
		-append "root=/dev/nvme0n1 rw console=ttyS0 quiet panic=1 oops=panic log_buf_len=16M no_timer_check init=/test-init SECONDS_MAX=$limit PATTERN=\"$pattern\" $settings" \
		-drive "file=$folder/guest-$kind.ext4,if=none,id=root,format=raw,cache=unsafe" -device nvme,drive=root,serial=root \
		-device virtio-rng-pci -serial stdio </dev/null | sed -u 's|\r||' | tee "$folder/$kind.log" | sed -u '/^# kernel log/,/^# end of/d'
	rm -f "$folder/guest-$kind.ext4"
}

root builder gcc,make,flex,bison,bc,perl,python3,xz-utils,kmod,pahole,clang,bpftool,libbpf-dev,libc6-dev,libelf-dev,libhiredis-dev,libssl-dev,libzstd-dev,zlib1g-dev,linux-source-$version
root guest redis-server,python3,openssl,bpftool,kmod,mount,procps,iproute2,util-linux
mkdir -p "$folder/builder/dbg"
kernel
extension
guest
boot

# The checker may have switched itself off, and would then find nothing.
case $kind in
lockdep) sign='debug_locks: *1' ;;
kcsan) sign='kcsan: selftest: .* tests passed' ;;
esac
if ! grep -aq "$sign" "$folder/$kind.log"; then
	echo "$kind was not active until the end: no line of $folder/$kind.log matches '$sign'" >&2
	exit 1
fi
# Fail on any report of the kernel, but of data races only on those in the module: the kernel has some of its own.
complaints=$(sed -nE '/BUG: |WARNING: /{/BUG: KCSAN/{/efuse_/!d};p}' "$folder/$kind.log")
if [ -n "$complaints" ]; then
	printf 'the kernel reported problems; the whole log is %s\n%s\n' "$folder/$kind.log" "$complaints" >&2
	exit 1
fi
grep -aq '^# .* 0 failed' "$folder/$kind.log"
