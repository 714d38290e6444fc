# A loader whose programs do not load.
$(eval $(call test_loader,packet-dma/refused,packet-dma/refused,common/*.c))
# The alternatives that cost.sh compares packet-dma with.
$(eval $(call test_object,packet-dma/array))
$(eval $(call test_object,packet-dma/arena))
# The sender and the AF_XDP receiver of flood.sh.
$(eval $(call test_loader,packet-dma/flood,packet-dma/afxdp,common/libelf.c))
