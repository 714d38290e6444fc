// SPDX-License-Identifier: GPL-2.0
/* Loads packet-dma and reads its rings: see README.md. */
#define _GNU_SOURCE
#include <errno.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <glob.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/sockios.h>

#include "extension.h"
#include "packet-dma.h"
#include "skeleton.h"

const char *argp_program_version = "packet-dma 1";
static const char documentation[] =
	"Copies each packet that an interface receives into a ring mapped into this "
	"process, one ring for each receive queue, and writes them as pcap. The "
	"packets reach the stack unchanged."
	"\v"
	"Examples:\n"
	"  packet-dma -I ens4 -w in.pcap -d 10     capture for 10 s\n"
	"  packet-dma -I ens4 -w - | tcpdump -r -  show packets as they arrive\n"
	"  packet-dma -I ens4 -i 1 --json          only count, one line per second\n"
	"XDP does not see sent packets: capture them on the receiving machine.";

/* Interval at which the reader polls the ring. */
#define LOOK_MS 20

enum mode { MODE_AUTO, MODE_NATIVE, MODE_GENERIC };
static const char *const mode_names[] = { "auto", "native", "generic" };

static enum mode mode;
static const char *interface;
static const char *capture_path;
static unsigned long snap_length = PD_MAX_BYTES;
static unsigned long ring_mib = 8;
static unsigned long limit_mib;

static unsigned long long written; /* bytes of pcap */
static unsigned long long unwritten; /* packets beyond the limit */
static FILE *capture;

/* More receive queues share rings. */
#define MAX_RINGS 64
static int ring_fds[MAX_RINGS];
static __u32 rings;

static long long real_offset_ns; /* CLOCK_REALTIME - CLOCK_MONOTONIC */

static const struct argp_option own_options[] = {
	{ "interface", 'I', "NAME", 0,
	  "Interface to capture on, or one of its IPv4 addresses", 0 },
	{ "write", 'w', "FILE", 0, "Write packets as pcap (-: output)", 0 },
	{ "limit", 'L', "MIB", 0, "Write at most MIB; keep counting", 0 },
	{ "snap-length", 's', "BYTES", 0, "Keep the first BYTES of each", 0 },
	{ "ring", 'r', "MIB", 0,
	  "Size of each receive queue's ring, a power of 2 (8)", 0 },
	{ "mode", 'M', "MODE", 0,
	  "native (in the driver), generic (in the stack) or auto", 0 },
	{},
};

/*
 * The name of the interface with an IPv4 address; the text itself if it is not
 * an address.
 */
static const char *interface_of(const char *text)
{
	static char name[IF_NAMESIZE];
	struct ifaddrs *list, *entry;
	struct in_addr wanted;

	if (inet_pton(AF_INET, text, &wanted) != 1 || getifaddrs(&list))
		return text;
	for (entry = list; entry; entry = entry->ifa_next) {
		const struct sockaddr_in *have = (void *)entry->ifa_addr;

		if (!have || have->sin_family != AF_INET ||
		    have->sin_addr.s_addr != wanted.s_addr)
			continue;
		snprintf(name, sizeof(name), "%s", entry->ifa_name);
		break;
	}
	freeifaddrs(list);
	return name[0] ? name : text;
}

/* The index of an interface; 0 if there is none, or if none was named. */
static int index_of(const char *name)
{
	return name ? if_nametoindex(name) : 0;
}

/*
 * Whether the card removes VLAN tags from received packets. XDP then sees the
 * packets without them: they are only in the card's descriptor, for the stack.
 */
static bool strips_vlan_tags(const char *name)
{
	struct ethtool_value flags = { .cmd = ETHTOOL_GFLAGS };
	struct ifreq request = { .ifr_data = (void *)&flags };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), err;

	if (fd < 0)
		return false;
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	err = ioctl(fd, SIOCETHTOOL, &request);
	close(fd);
	return !err && flags.data & ETH_FLAG_RXVLAN;
}

static error_t parse(int key, char *text, struct argp_state *state)
{
	switch (key) {
	case 'I':
		interface = interface_of(text);
		return 0;
	case 'w':
		capture_path = text;
		return 0;
	case 'L':
		limit_mib = ext_number(text, 1, 1 << 20, state);
		return 0;
	case 's':
		snap_length = ext_number(text, 1, PD_MAX_BYTES, state);
		return 0;
	case 'r':
		ring_mib = ext_number(text, 1, 1024, state);
		if (ring_mib & (ring_mib - 1))
			argp_error(state, "%lu is not a power of 2", ring_mib);
		return 0;
	case 'M':
		mode = ext_choice(text, mode_names, 3, state);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* File format: pcap with nanoseconds, in this machine's byte order. */
struct pcap_file {
	__u32 magic;
	__u16 major, minor;
	__u32 zone, accuracy, snap, link;
};

struct pcap_packet {
	__u32 seconds, nanoseconds, captured, length;
};

/* Readable only by its owner: it contains all traffic, including passwords. */
static FILE *open_private(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	return fd < 0 ? NULL : fdopen(fd, "w");
}

static int start_capture(void)
{
	struct pcap_file head = {
		.magic = 0xa1b23c4d,
		.major = 2,
		.minor = 4,
		.snap = snap_length,
		.link = 1, /* Ethernet */
	};
	struct timespec real;

	clock_gettime(CLOCK_REALTIME, &real);
	real_offset_ns = real.tv_sec * 1000000000LL + real.tv_nsec -
			 (long long)ext_now_ns();
	if (!strcmp(capture_path, "-"))
		capture = stdout;
	else
		capture = open_private(capture_path);
	if (!capture) {
		ext_error("%s: %s", capture_path, strerror(errno));
		return -errno;
	}
	setvbuf(capture, NULL, _IOFBF, 1 << 20);
	fwrite(&head, sizeof(head), 1, capture);
	written = sizeof(head);
	return fflush(capture) ? -errno : 0;
}

static int on_packet(void *context, void *data, size_t size)
{
	const struct pd_record *record = data;
	unsigned long long ns = record->ns + real_offset_ns;
	struct pcap_packet head = {
		.seconds = ns / 1000000000ULL,
		.nanoseconds = ns % 1000000000ULL,
		.captured = record->captured,
		.length = record->length,
	};

	(void)context;
	if (!capture || size < sizeof(*record) + record->captured)
		return 0;
	if (limit_mib && written + sizeof(head) + record->captured >
				 limit_mib << 20) {
		unwritten++;
		return 0;
	}
	fwrite(&head, sizeof(head), 1, capture);
	fwrite(record + 1, record->captured, 1, capture);
	written += sizeof(head) + record->captured;
	return ferror(capture) ? -EIO : 0;
}

/* Number of receive queues of an interface; at least 1. */
static __u32 queues_of(const char *name)
{
	char pattern[64];
	glob_t found = {};
	__u32 count = 0;

	snprintf(pattern, sizeof(pattern), "/sys/class/net/%s/queues/rx-*",
		 name);
	if (!glob(pattern, GLOB_NOSORT, NULL, &found))
		count = found.gl_pathc;
	globfree(&found);
	return count > MAX_RINGS ? MAX_RINGS : count ?: 1;
}

/* Creates the ring of a receive queue. */
static int add_ring(struct packet_dma_bpf *skel, __u32 queue)
{
	int fd = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "pd_ring", 0, 0,
				ring_mib << 20, NULL), err;

	if (fd < 0)
		return fd;
	err = bpf_map_update_elem(bpf_map__fd(skel->maps.pd_rings), &queue, &fd,
				  BPF_ANY);
	if (err) {
		close(fd);
		return err;
	}
	ring_fds[queue] = fd;
	return 0;
}

static void unload(struct packet_dma_bpf *skel)
{
	while (rings)
		close(ring_fds[--rings]);
	packet_dma_bpf__destroy(skel);
}

static struct packet_dma_bpf *load(int *err)
{
	struct packet_dma_bpf *skel = packet_dma_bpf__open();
	__u32 queues = queues_of(interface);

	if (!skel) {
		*err = -errno;
		return NULL;
	}
	skel->rodata->snap_length = snap_length;
	skel->rodata->wake_bytes = (ring_mib << 20) / 8;
	skel->rodata->rings = queues;
	bpf_map__set_max_entries(skel->maps.pd_rings, queues);
	bpf_map__set_max_entries(skel->maps.pd_counts, queues);
	*err = packet_dma_bpf__load(skel);
	while (!*err && rings < queues) {
		*err = add_ring(skel, rings);
		rings += !*err;
	}
	if (!*err)
		return skel;
	unload(skel);
	return NULL;
}

/* One reader for all rings. */
static struct ring_buffer *map_rings(void)
{
	struct ring_buffer *all =
		ring_buffer__new(ring_fds[0], on_packet, NULL, NULL);
	__u32 queue;

	for (queue = 1; all && queue < rings; queue++) {
		if (!ring_buffer__add(all, ring_fds[queue], on_packet, NULL))
			continue;
		ring_buffer__free(all);
		return NULL;
	}
	return all;
}

/*
 * Attaches in the driver if possible, otherwise in the stack. Returns the
 * link's descriptor, which detaches when it is closed, or -errno; sets the
 * mode.
 */
static int attach(struct packet_dma_bpf *skel, int ifindex, enum mode *how)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts);
	int prog = bpf_program__fd(skel->progs.pd_capture), fd = -EINVAL;

	if (mode != MODE_GENERIC) {
		*how = MODE_NATIVE;
		opts.flags = XDP_FLAGS_DRV_MODE;
		fd = bpf_link_create(prog, ifindex, BPF_XDP, &opts);
		if (fd >= 0 || mode == MODE_NATIVE || fd == -EBUSY)
			return fd;
		ext_error("%s: no native XDP (%s), using generic", interface,
			  strerror(-fd));
	}
	*how = MODE_GENERIC;
	opts.flags = XDP_FLAGS_SKB_MODE;
	return bpf_link_create(prog, ifindex, BPF_XDP, &opts);
}

static const char *attach_error(int err)
{
	if (err == -EBUSY)
		return "another XDP program is attached; see ip link";
	if (err == -EOPNOTSUPP)
		return "the driver does not support XDP with this MTU and these offloads";
	return strerror(-err);
}

/*
 * The sum over all queues and CPUs. If `captured` is not NULL, it gets each
 * queue's number of packets.
 */
static int read_counts(int fd, struct pd_counts *sum, json_t *captured)
{
	int cpus = libbpf_num_possible_cpus(), cpu;
	struct pd_counts *values;
	json_int_t packets;
	__u32 queue;

	memset(sum, 0, sizeof(*sum));
	if (cpus < 0)
		return cpus;
	values = calloc(cpus, sizeof(*values));
	if (!values)
		return -ENOMEM;
	/* Ends with ENOENT, after the last queue. */
	for (queue = 0; !bpf_map_lookup_elem(fd, &queue, values); queue++) {
		packets = 0;
		for (cpu = 0; cpu < cpus; cpu++) {
			packets += values[cpu].captured;
			sum->bytes += values[cpu].bytes;
			sum->dropped += values[cpu].dropped;
			sum->cut += values[cpu].cut;
		}
		sum->captured += packets;
		if (captured)
			json_array_append_new(captured, json_integer(packets));
	}
	free(values);
	return errno == ENOENT ? 0 : -errno;
}

/*
 * Number of packets copied since the start, from the pinned map; -1 if not
 * loaded.
 */
static long long work_done(void)
{
	int fd = bpf_obj_get(ext_pin_path("pd_counts")), err;
	struct pd_counts counts;

	if (fd < 0)
		return -1;
	err = read_counts(fd, &counts, NULL);
	close(fd);
	return err ? -1 : (long long)counts.captured;
}

static void counter(FILE *out, const char *name, const char *help, __u64 value)
{
	ext_metric(out, name, "counter", help);
	fprintf(out, "%s{interface=", name);
	ext_label(out, interface);
	fprintf(out, "} %llu\n", (unsigned long long)value);
}

static int report_prometheus(const struct pd_counts *c)
{
	FILE *out = ext_publish_start(ext_options.prometheus);

	if (!out)
		return -errno;
	counter(out, "disgrafs_packets_captured_total",
		"Received packets copied to the ring.", c->captured);
	counter(out, "disgrafs_packets_captured_bytes_total",
		"Bytes copied to the ring.", c->bytes);
	counter(out, "disgrafs_packets_dropped_total",
		"Received packets for which the ring had no room.", c->dropped);
	return ext_publish(out, ext_options.prometheus);
}

static int report(struct packet_dma_bpf *skel, enum mode how)
{
	/* Standard output may be the capture. */
	FILE *out = capture == stdout ? stderr : stdout;
	struct pd_counts c;
	json_t *queues = json_array();
	int err = read_counts(bpf_map__fd(skel->maps.pd_counts), &c, queues);

	if (err) {
		json_decref(queues);
		ext_error("cannot read the counts: %s", strerror(-err));
		return err;
	}
	if (ext_options.prometheus)
		err = report_prometheus(&c);
	if (ext_options.json) {
		ext_json_line(
			json_pack("{s:o, s:s, s:b, s:I, s:O, s:I, s:I, s:I, s:I}",
				  "interface", ext_json_text(interface), "mode",
				  mode_names[how], "vlanTags",
				  !strips_vlan_tags(interface), "captured",
				  (json_int_t)c.captured, "queues", queues,
				  "bytes",
				  (json_int_t)c.bytes, "dropped",
				  (json_int_t)c.dropped, "cut",
				  (json_int_t)c.cut, "unwritten",
				  (json_int_t)unwritten),
			out);
	} else if (!ext_options.prometheus) {
		fprintf(out,
			"%s (%s): %llu packets captured, %llu bytes; %llu dropped, %llu cut, %llu not written\n",
			interface, mode_names[how],
			(unsigned long long)c.captured,
			(unsigned long long)c.bytes,
			(unsigned long long)c.dropped,
			(unsigned long long)c.cut, unwritten);
	}
	json_decref(queues);
	fflush(out);
	return err;
}

static int preflight(void)
{
	struct packet_dma_bpf *skel;
	int ifindex = index_of(interface), err = 0, fd;
	enum mode how;
	char text[128];

	if (!ifindex)
		return ext_unsupported("--interface with a name or an IPv4 address that ip address shows",
				       "no interface %s", interface ?: "given");
	skel = load(&err);
	if (!skel) {
		ext_show_log();
		return ext_unsupported(
			"a kernel with XDP fragments and ring buffers (5.18 or later)",
			"the program does not load: %s", strerror(-err));
	}
	fd = attach(skel, ifindex, &how);
	if (fd >= 0)
		close(fd);
	unload(skel);
	if (fd < 0)
		return ext_unsupported("an interface where XDP can be attached",
				       "%s: %s", interface, attach_error(fd));
	snprintf(text, sizeof(text), "%s on %s%s", mode_names[how], interface,
		 strips_vlan_tags(interface) ? ", without VLAN tags" : "");
	return ext_supported(text);
}

static int run(void)
{
	int ifindex = index_of(interface), err = 0, link = -1;
	struct ring_buffer *ring = NULL;
	struct packet_dma_bpf *skel;
	unsigned long long next = 0;
	enum mode how = MODE_AUTO;

	if (!ifindex) {
		ext_error("no interface %s: use --interface with a name or an IPv4 address that ip address shows",
			  interface ?: "given");
		return -ENODEV;
	}
	skel = load(&err);
	if (!skel)
		return ext_not_loaded(err);
	if (capture_path) {
		err = start_capture();
		if (err)
			goto out;
	}
	ring = map_rings();
	if (!ring) {
		err = -errno;
		ext_error("cannot map the rings: %s", strerror(-err));
		goto out;
	}
	err = ext_pin(skel->obj);
	if (err)
		goto out;
	link = attach(skel, ifindex, &how);
	if (link < 0) {
		err = link;
		ext_error("%s: %s", interface, attach_error(err));
		goto out;
	}
	if (strips_vlan_tags(interface))
		ext_error("%s removes VLAN tags from received packets, so the capture lacks them; to keep them: ethtool -K %s rxvlan off",
			  interface, interface);
	ext_ready();
	if (ext_options.interval)
		next = ext_now_ns() + ext_options.interval * 1000000000ULL;
	while (!ext_stopped()) {
		/* Woken if there is a lot of data; otherwise polls. */
		err = ring_buffer__poll(ring, LOOK_MS);
		if (err >= 0 || err == -EINTR)
			err = ring_buffer__consume(ring);
		if (err < 0)
			break;
		err = 0;
		if (capture)
			fflush(capture);
		if (next && ext_now_ns() >= next && !ext_stopped()) {
			report(skel, how);
			next += ext_options.interval * 1000000000ULL;
		}
	}
	close(link);
	link = -1;
	/* Packets that arrived between the last poll and the end. */
	ring_buffer__consume(ring);
	if (capture && fflush(capture) && !err)
		err = -errno;
	if (err)
		ext_error("%s: %s", capture_path ? capture_path : "ring",
			  strerror(-err));
	if (report(skel, how) && !err)
		err = -EIO;
out:
	if (link >= 0)
		close(link);
	ring_buffer__free(ring);
	ext_unpin();
	unload(skel);
	if (capture && capture != stdout)
		fclose(capture);
	return err;
}

int main(int argc, char **argv)
{
	static const struct ext_loader loader = {
		.name = "packet-dma",
		.documentation = documentation,
		.options = own_options,
		.parse = parse,
		.object = packet_dma_bpf__elf_bytes,
		.work = work_done,
		.preflight = preflight,
		.run = run,
	};

	return ext_main(&loader, argc, argv);
}
