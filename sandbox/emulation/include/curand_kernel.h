#error "kernelsearch-unsupported: <curand_kernel.h>"
