#error "kernelsearch-unsupported: <cuda_fp8.h>"
