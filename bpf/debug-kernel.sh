#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Runs the tests of an extension with a module on a debug kernel. Debian has none,
# so it is built here from Debian's source package. Also checks the style of the
# module and of the headers that it includes with that source's checkpatch.pl. As root:
#
#   debug-kernel.sh EXTENSION KIND FOLDER [pattern of the tests]
#
# EXTENSION	fuse (tests/run.py) or storage-chain (tests/storage_chain.py)
# KIND	lockdep: locks, RCU, contexts, freed objects; one CPU
#	kasan: the same, and accesses outside of objects or after their end
#	kcsan: data races; two CPUs, so the FUSE module is not loaded and unloaded
#	under requests there (docs/fuse-extension.md, "A limit of emulation")
#	style: only the module's style; no kernel is built
# FOLDER	needs 6 GB; results of earlier runs in it are reused
#
# Needs mmdebstrap, qemu-system-x86 and e2fsprogs. From the environment: CPUS,
# SECONDS_MAX, EXTRA (more lines of configuration), and the variables of the tests.
# Exit status: 0 if every test passed and the kernel reported no problem.
set -euo pipefail
extension=$1
kind=$2
mkdir -p "$3"
folder=$(realpath "$3")
pattern=${4:-}
bpf=$(realpath "$(dirname "$0")")
version=6.12
name=$extension-$kind

case $extension in
fuse) tests=run.py ;;
storage-chain) tests=storage_chain.py ;;
*)
	echo "EXTENSION is fuse or storage-chain, not $extension" >&2
	exit 2
	;;
esac
case $kind in
lockdep | kasan | kcsan | style) ;;
*)
	echo "KIND is lockdep, kasan, kcsan or style, not $kind" >&2
	exit 2
	;;
esac

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
		CONFIG_BINFMT_ELF=y
		CONFIG_BINFMT_SCRIPT=y
		CONFIG_NET=y
		CONFIG_UNIX=y
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
		CONFIG_DEBUG_INFO_BTF_MODULES=y
	END
	case $extension in
	fuse) cat <<-'END' ;;
		CONFIG_IKCONFIG=y
		CONFIG_IKCONFIG_PROC=y
		CONFIG_INET=y
		CONFIG_IPV6=y
		CONFIG_BLK_DEV=y
		CONFIG_BLK_DEV_LOOP=y
		CONFIG_EXT4_USE_FOR_EXT2=y
		CONFIG_FUSE_FS=y
		CONFIG_POSIX_MQUEUE=y
		CONFIG_TIME_NS=y
		CONFIG_USERFAULTFD=y
	END
	storage-chain) cat <<-'END' ;;
		CONFIG_MD=y
		CONFIG_BLK_DEV_DM=y
		CONFIG_DM_DELAY=y
		CONFIG_BLK_CGROUP=y
		CONFIG_BLK_DEV_THROTTLING=y
		CONFIG_MQ_IOSCHED_DEADLINE=y
		CONFIG_IO_URING=y
		CONFIG_SWAP=y
		CONFIG_CRC32=y
		CONFIG_INOTIFY_USER=y
	END
	esac
	case $kind in
	lockdep | kasan) cat <<-'END' ;;
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
	esac
	if [ "$kind" = kasan ]; then
		cat <<-'END'
			CONFIG_KASAN=y
			CONFIG_KASAN_GENERIC=y
			CONFIG_KASAN_INLINE=y
			CONFIG_KASAN_VMALLOC=y
			CONFIG_DEBUG_SG=y
		END
	fi
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

tree=/dbg/linux-source-$version
source_tree() {
	mkdir -p "$folder/builder/dbg"
	if [ ! -e "$folder/builder$tree" ]; then
		tar -C "$folder/builder/dbg" -xf "$folder/builder/usr/src/linux-source-$version.tar.xz"
	fi
}

# A module for several kernels, with programs and user space beside it, needs
# LINUX_VERSION_CODE, and macros that are empty in one of its builds. User space has
# no BIT(). What is defined in the module's assembly is declared in its one C file.
# _Static_assert is taken for a name in camel case.
style() {
	local files=("$bpf/$extension"/module/*.[ch])
	case $extension in
	fuse) files+=("$bpf/fuse/efuse_abi.h") ;;
	storage-chain) files+=("$bpf/storage-chain"/*.h) ;;
	esac
	# It leaves a file of its own where it runs.
	(cd "$folder" && perl "builder$tree/scripts/checkpatch.pl" --no-tree --strict --terse --show-types --quiet \
		--ignore LINUX_VERSION_CODE,CONSTANT_COMPARISON,MACRO_ARG_UNUSED,BIT_MACRO,AVOID_EXTERNS,CAMELCASE \
		-f "${files[@]}")
}

kernel() {
	local build="$folder/builder/dbg/$name"
	configuration >"$folder/builder/dbg/$name.configuration"
	inside make -s -C "$tree" O="/dbg/$name" LOCALVERSION="-$kind" \
		KCONFIG_ALLCONFIG="/dbg/$name.configuration" allnoconfig
	# Kconfig silently drops options whose dependencies are off.
	configuration | while read -r line; do
		symbol=$(grep -o 'CONFIG_[A-Z0-9_]*' <<<"$line")
		value=$(grep "^$symbol=" "$build/.config" || echo "# $symbol is not set")
		if [ "$line" != "$value" ]; then
			echo "Kconfig changed $line to: $value" >&2
			exit 1
		fi
	done
	inside make -s -j"$(nproc)" -C "$tree" O="/dbg/$name" LOCALVERSION="-$kind" bzImage modules
}

# The extension, with the sources in this folder.
build_extension() {
	local source="$folder/builder/source"
	rm -rf "$source"
	mkdir "$source"
	cp -r "$bpf/common" "$bpf/$extension" "$source"
	inside make -s -C "/source/$extension" KDIR="/dbg/$name" OUT="/out-$name" CC=gcc
}

guest() {
	local guest="$folder/guest-$name"
	rm -rf "$guest"
	cp -a "$folder/guest" "$guest"
	mkdir "$guest/built"
	local out="$folder/builder/out-$name"
	cp "$out"/*.ko "$out"/*.bpf.o "$guest/built"
	find "$out" -maxdepth 1 -type f -executable -exec cp {} "$guest/built" \;
	if [ -d "$out/faults" ]; then cp -r "$out/faults" "$guest/built"; fi
	cp -r "$bpf/$extension/tests" "$guest/built/tests"
	if [ -d "$bpf/$extension/python" ]; then cp -r "$bpf/$extension/python" "$guest/built"; fi
	# For modprobe, which then knows what is built in.
	inside make -s -C "$tree" O="/dbg/$name" LOCALVERSION="-$kind" INSTALL_MOD_PATH="/out-$name" modules_install
	rm -f "$out"/lib/modules/*/build
	cp -r "$out/lib/modules" "$guest/usr/lib"
	cat >"$guest/test-init" <<-'END'
		#!/bin/bash
		# Runs the tests, and then powers the machine off.
		export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root NO_COLOR=1
		mountpoint -q /dev || mount -t devtmpfs dev /dev
		mount -t proc proc /proc
		mount -t sysfs sysfs /sys
		mkdir -p /dev/pts /dev/shm
		mount -t devpts devpts /dev/pts
		for at in /dev/shm /run /tmp; do mount -t tmpfs tmpfs "$at"; done
		mount -t cgroup2 cgroup2 /sys/fs/cgroup
		mount -t tracefs tracefs /sys/kernel/tracing
		mount -t bpf bpf /sys/fs/bpf
		if [ -d /sys/fs/fuse/connections ]; then mount -t fusectl fusectl /sys/fs/fuse/connections; fi
		ip link set lo up
		dmesg -n 1
		for controller in cpu io memory pids; do echo "+$controller" >/sys/fs/cgroup/cgroup.subtree_control; done 2>/dev/null
		mkdir -p /run/udev/rules.d
		if [ -x /usr/lib/systemd/systemd-udevd ]; then
			/usr/lib/systemd/systemd-udevd --daemon
			udevadm trigger --subsystem-match=block
			udevadm settle
		fi
		timeout "$SECONDS_MAX" python3 "/built/tests/$TESTS" /built "$PATTERN"
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
	local cpus=1 limit=${SECONDS_MAX:-3000} settings="TESTS=$tests" word data=()
	if [ "$kind" = kcsan ]; then
		cpus=2
		if [ "$extension" = fuse ]; then pattern=${pattern:-^(?!load and unload)}; fi
	fi
	if [ "$extension" = storage-chain ]; then
		# lockdep does not know that mode irq submits only on idle CPUs, and ends at its first report.
		SCHAIN_MODES=${SCHAIN_MODES:-wq,poll}
		case $SCHAIN_MODES in
		*irq*) ;;
		*) pattern=${pattern:-^(?!an interrupt requests|requests go to the driver)} ;;
		esac
		settings+=" nvme.poll_queues=1"
		truncate -s 0 "$folder/data-$name.raw"
		truncate -s 256M "$folder/data-$name.raw"
		data=(-drive "file=$folder/data-$name.raw,if=none,id=data,format=raw,cache=unsafe" -device "nvme,drive=data,serial=data")
	fi
	for word in EFUSE_CYCLES EFUSE_CYCLE_SECONDS EFUSE_HOOKS EFUSE_FUZZ_SECONDS EFUSE_LOAD_SECONDS \
		SCHAIN_COUNT SCHAIN_MODES SCHAIN_STRESS_SECONDS; do
		settings+=" ${!word+$word=${!word}}"
	done
	# With two NVMe disks, either may become nvme0n1.
	for _ in 1 2 3 4 5; do
		run_machine
		grep -aq "Unable to mount root fs" "$folder/$name.log" || break
	done
	rm -f "$folder/guest-$name.ext4" "$folder/data-$name.raw"
}

# One start of the machine, with the variables of boot(). q35, like the lab's machines: for QEMU's default machine,
# each reset of an NVMe controller computes the table of PCI interrupts twice in ACPI, which takes half a minute with KASAN.
run_machine() {
	timeout $((limit + 300)) qemu-system-x86_64 -machine q35 -nodefaults -display none -no-reboot -accel tcg,thread=multi \
		-cpu max -smp "${CPUS:-$cpus}" -m 3072 -kernel "$folder/builder/dbg/$name/arch/x86/boot/bzImage" \
		-append "root=/dev/nvme0n1 rw console=ttyS0 quiet panic=1 oops=panic log_buf_len=16M no_timer_check init=/test-init SECONDS_MAX=$limit PATTERN=\"$pattern\" $settings" \
		-drive "file=$folder/guest-$name.ext4,if=none,id=root,format=raw,cache=unsafe" -device nvme,drive=root,serial=root "${data[@]}" \
		-device virtio-rng-pci -serial stdio </dev/null | sed -u 's|\r||' | tee "$folder/$name.log" | sed -u '/^# kernel log/,/^# end of/d'
}

root builder gcc,make,flex,bison,bc,perl,python3,xz-utils,kmod,pahole,clang,bpftool,libbpf-dev,libc6-dev,libelf-dev,libhiredis-dev,libjansson-dev,libssl-dev,libzstd-dev,zlib1g-dev,linux-source-$version
source_tree
style
if [ "$kind" = style ]; then exit 0; fi
root guest redis-server,python3,openssl,bpftool,kmod,mount,procps,iproute2,util-linux,udev
kernel
build_extension
guest
boot

# The checker may have switched itself off, and would then find nothing.
case $kind in
lockdep | kasan) sign='debug_locks: *1' ;;
kcsan) sign='kcsan: selftest: .* tests passed' ;;
esac
if ! grep -aq "$sign" "$folder/$name.log"; then
	echo "$kind was not active until the end: no line of $folder/$name.log matches '$sign'" >&2
	exit 1
fi
# Fail on any report of the kernel, but of data races only on those in the module: the kernel has some of its own.
complaints=$(sed -nE '/BUG: |WARNING: /{/BUG: KCSAN/{/efuse_|schain_/!d};p}' "$folder/$name.log")
if [ -n "$complaints" ]; then
	printf 'the kernel reported problems; the whole log is %s\n%s\n' "$folder/$name.log" "$complaints" >&2
	exit 1
fi
grep -aq '^# .* 0 failed' "$folder/$name.log"
