#error "kernelsearch-unsupported: <cub/cub.cuh>"
