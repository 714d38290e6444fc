# A FUSE file system that delays its answers as tests require.
$(eval $(call test_program,fuse-latency/testfs))
