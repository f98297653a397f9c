#error "kernelsearch-unsupported: <mma.h>"
