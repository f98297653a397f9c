#error "kernelsearch-unsupported: <cublas_v2.h>"
