# A FUSE file system of its own, whose answers take as long as a test says.
$(eval $(call test_program,fuse-latency/testfs))
