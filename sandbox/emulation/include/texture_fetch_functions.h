#error "kernelsearch-unsupported: <texture_fetch_functions.h>"
