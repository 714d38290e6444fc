# A loader whose program the verifier refuses.
$(eval $(call test_loader,packet-dma/refused,packet-dma/refused,common/*.c))
# What cost.sh compares with.
$(eval $(call test_object,packet-dma/array))
$(eval $(call test_object,packet-dma/arena))
# Ends of flood.sh.
$(eval $(call test_loader,packet-dma/flood,packet-dma/afxdp,common/libelf.c))
