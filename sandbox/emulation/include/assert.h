// Shadows the system's header: a failed assert of a kernel ends the launch with a report, one of host code ends the process.
// No include guard: as in C, NDEBUG decides anew at every inclusion.
#include "ks/device.h"
#undef assert
#ifdef NDEBUG
#define assert(condition) ((void)0)
#else
#define assert(condition) (static_cast<bool>(condition) ? (void)0 : ks_emu_trap("a failed assert: " #condition, __LINE__))
#endif
