#error "kernelsearch-unsupported: <cuda_awbarrier.h>"
