#error "kernelsearch-unsupported: <cuda_pipeline.h>"
