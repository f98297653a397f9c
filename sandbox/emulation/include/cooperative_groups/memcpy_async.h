#error "kernelsearch-unsupported: <cooperative_groups/memcpy_async.h>"
