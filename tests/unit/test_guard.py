"""The guard: flags, includes, forbidden and suspicious constructs, and the disguises it sees through."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelsearch.guard import check, suspicious
from kernelsearch.guard.policy import guard_policy
from kernelsearch.guard.scrub import scrub
from kernelsearch.model import Arg, ArgKind, Candidate, Case, DType, Expression, Finding, Form, Origin, Policy, Task

HONEST = """\
#include <cuda_runtime.h>
#include "cuda_fp16.h"
#include <cooperative_groups.h>
// a comment may say system("rm"), clock() and #include "/etc/passwd"
__constant__ float weights[16];
__device__ __forceinline__ float square(float x) { return x * x; }
__global__ void k(const float* __restrict__ x, float* y, int n) {
  __shared__ float tile[32][33];
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4;" ::"r"(0), "l"(x));
  if (i < n) y[i] = square(x[i]) + 1'000.0f;
}
extern "C" void solve(const float* x, float* y, int n) {
  const char* text = "fork() and system() in a string";
  k<<<(n + 255) / 256, 256>>>(x, y, n);
}
"""


def task(form=Form.LAUNCHER, **policy):
    args = (Arg(name="y", kind=ArgKind.OUTPUT, dtype=DType.F32, shape=(Expression("n"),)),)
    entry = "solve" if form is Form.LAUNCHER else None
    cases = (Case(name="a", sizes={"n": 1}, timed=True),)
    return Task(name="t", form=form, entry=entry, args=args, cases=cases, baseline="", policy=Policy(**policy))


def findings(source="", *flags, on=None):
    return check(Candidate(task="t", source=source, flags=flags, origin=Origin(proposer="test")), on or task())


def rules(*args, **kwargs):
    return [(finding.rule, finding.line, finding.forbidden) for finding in findings(*args, **kwargs)]


@pytest.mark.parametrize("form", [Form.LAUNCHER, Form.KERNELS])
def test_an_honest_kernel_passes_without_a_word(form):
    assert findings(HONEST, "-O3", "--restrict", on=task(form)) == ()


ROOT = Path(__file__).parents[2]
OURS = [
    path for pattern in ("tasks/*/*/baseline.cu", "benchmarks/variants/*/*.cu", "tests/golden/rules/*.cu") for path in ROOT.glob(pattern)
]


@pytest.mark.parametrize("path", sorted(OURS), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_source_of_ours_is_refused_or_suspected(path):
    found = findings(path.read_text())
    assert [finding for finding in found if finding.forbidden] == []
    assert not suspicious(found)


HONEST_BUT_NOTED = {
    "a joined side stream": """
  static cudaStream_t side = nullptr; static cudaEvent_t fork, join;
  if (!side) { cudaStreamCreateWithFlags(&side, cudaStreamNonBlocking); cudaEventCreateWithFlags(&fork, cudaEventDisableTiming); }
  cudaEventRecord(fork, 0); cudaStreamWaitEvent(side, fork); k<<<n, 256, 0, side>>>(x, y, n);
  cudaEventRecord(join, side); cudaStreamWaitEvent(0, join);""",
    "a graph": """
  cudaGraph_t graph; cudaGraphExec_t exec; cudaStreamBeginCapture(s, cudaStreamCaptureModeGlobal); k<<<n, 256, 0, s>>>(x, y, n);
  cudaStreamEndCapture(s, &graph); cudaGraphInstantiate(&exec, graph, 0); cudaGraphLaunch(exec, s);""",
    "a cooperative launch": """
  void* args[] = {&x, &y, &n}; int blocks = 0; cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, k, 256, 0);
  cudaLaunchCooperativeKernel((void*)k, blocks * 132, 256, args);""",
    "large shared memory": """
  cudaFuncSetAttribute(k, cudaFuncAttributeMaxDynamicSharedMemorySize, 200 * 1024); k<<<n, 256, 200 * 1024>>>(x, y, n);""",
    "a buffer that is kept": """
  static float* partial = nullptr; if (!partial) cudaMalloc(&partial, 1 << 20); cudaMemsetAsync(partial, 0, 4);
  k<<<n, 256>>>(x, partial, n);""",
    "a cluster": """
  cudaLaunchAttribute attribute; attribute.id = cudaLaunchAttributeClusterDimension; cudaLaunchKernelEx(&config, k, x, y, n);""",
}


@pytest.mark.parametrize("body", HONEST_BUT_NOTED.values(), ids=HONEST_BUT_NOTED.keys())
def test_honest_means_are_never_forbidden(body):
    kernel = "__global__ void k(const float* x, float* y, int n) { atomicAdd(y, x[threadIdx.x]); cooperative_groups::this_grid().sync(); }"
    found = findings(f'{kernel}\nextern "C" void solve(const float* x, float* y, int n) {{{body}\n}}')
    assert [finding for finding in found if finding.forbidden] == []


@pytest.mark.parametrize(
    "flags",
    [("-O3",), ("-maxrregcount=64",), ("--maxrregcount=64",), ("-Xptxas", "-dlcm=ca,-v"), ("-Xptxas=-O3",), ("-DTILE=32",), ("-DX",),
     ("-std=c++20",), ("--expt-relaxed-constexpr",), ("--extra-device-vectorization",), ("-lineinfo",), ("-fmad=false",)],
)  # fmt: skip
def test_harmless_flags_pass(flags):
    assert findings("", *flags) == ()


@pytest.mark.parametrize(
    "flags",
    [("-ccbin=/bin/sh",), ("-Xcompiler", "-fplugin=x.so"), ("-I/etc",), ("-include", "/etc/passwd"), ("@file",), ("-o", "/x"), ("-Xptxas",),
     ("-Xptxas", "-v,--output-file=/x"), ("-DX=$(id)",), ("-DX=a b",), ("-O3 -I/",), ("-O3\n",), ("",), ("evil.cu",), ("--run",),
     ("-Xlinker", "-rpath"), ("-lcublas",), ("-L/tmp",), ("-std=c++11; id",), ("-optf=x",)],
)  # fmt: skip
def test_other_flags_are_refused(flags):
    assert any(finding.forbidden for finding in findings("", *flags))


@pytest.mark.parametrize("flag", ["-use_fast_math", "--use_fast_math", "-ftz=true", "-prec-div=false"])
def test_fast_math_only_where_allowed(flag):
    assert rules("", flag) == [("fast math", None, True)]
    assert findings("", flag, on=task(fast_math=True)) == ()


def test_libraries_only_where_allowed():
    source = "#include <cublas_v2.h>\n#include <cub/cub.cuh>\n"
    assert rules(source, "-lcublas") == [("compiler flag", None, True), ("library", 1, True), ("library", 2, True)]
    assert "libraries" in findings(source)[0].message
    assert findings(source, "-lcublas", on=task(libraries=("cublas", "cub"))) == ()


@pytest.mark.parametrize(
    "line",
    ['#include "/etc/passwd"', "#include </etc/passwd>", '#include "../secret.h"', "#include <a/../../b>", "  #  include   </x>",
     "%:include </x>", "#/**/include/**/</x>", "#inc\\\nlude </x>", "#include SECRET", "#include_next </x>", '#import "/x"', "#include"],
)  # fmt: skip
def test_includes_from_elsewhere_are_refused(line):
    assert rules(f"int a;\n{line}\nint b;\n") == [("include", 2 + line.count("\\\n"), True)]


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ('#embed "x"', "embeds a file"),
        ('asm(".incbin \\"x\\"");', "embeds a file"),
        ('#pragma comment(lib, "x")', "links by pragma"),
        ("__attribute__((constructor)) void f();", "runs when loaded"),
        ("__attribute__((__constructor__(101))) void f();", "runs when loaded"),
        ("__attribute__((used, constructor)) void f();", "runs when loaded"),
        ("[[gnu::constructor]] void f();", "runs when loaded"),
        ('__attribute__((section(".init_array"))) void* p;', "runs when loaded"),
        ('void f() __attribute__((ifunc("g")));', "runs when loaded"),
        ('void* f() { return dlopen("x", 1); }', "opens a library"),
        ('void* f(void* h) { return dlsym (h, "x"); }', "opens a library"),
    ],
)
def test_forbidden_constructs(line, rule):
    assert (rule, 2, True) in rules(f"int a;\n{line}\n")


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("long long t = clock64();", "reads a clock"),
        ('asm volatile("mov.u64 %0, %globaltimer;" : "=l"(t));', "reads a clock"),
        ('asm volatile("exit;");', "ends threads early"),
        ("__trap();", "ends threads early"),
        ('  system("id");', "starts a program"),
        ("  if (fork() == 0) {}", "starts a program"),
        ("  cuModuleLoadData(&m, image);", "loads code"),
        ("  std::thread worker(f);", "starts a thread"),
        ("  cudaStreamCreate(&s);", "uses a stream of its own"),
        ("  cudaEventRecord(a);", "touches the timing"),
        ('  getenv("X");', "uses files or the environment"),
        ("__device__ float kept[16];", "keeps state"),
        ("  static float* kept = nullptr;", "keeps state"),
        ('asm volatile("ld.global.L2::cache_hint.f32 %0, [%1], %2;" : "=f"(v) : "l"(x), "l"(p));', "pins the cache"),
        ('asm("createpolicy.fractional.L2::evict_last.b64 %0, 1.0;" : "=l"(p));', "pins the cache"),
        ("  auto p = cuda::access_property::persisting{};", "pins the cache"),
        ('asm("prefetch.global.L2 [%0];" :: "l"(x));', "prefetches to L2"),
        ("cudaTriggerProgrammaticLaunchCompletion();", "overlaps calls"),
        ('asm volatile("griddepcontrol.launch_dependents;");', "overlaps calls"),
        ("k<<<1, 1, 0, cudaStreamTailLaunch>>>();", "launches from the device"),
        ("k<<<1, 1, 0, cudaStreamFireAndForget>>>();", "launches from the device"),
        ("  cudaDeviceSetLimit(l, 0);", "changes the device"),
        ("  cudaSetDeviceFlags(0);", "changes the device"),
        ("  cudaFuncSetCacheConfig(k, c);", "sets a kernel"),
        ("  cuMemGetAddressRange(&b, &s, p);", "looks at other memory"),
        ("  cuPointerGetAttribute(&v, a, p);", "looks at other memory"),
        ("  cudaIpcOpenMemHandle(&p, h, 1);", "looks at other memory"),
        ("  cudaMallocManaged(&p, 4);", "shares memory with the host"),
        ("  cudaHostAlloc(&p, 4, cudaHostAllocMapped);", "shares memory with the host"),
        ("while (*(volatile int*)flag == 0) {}", "shares memory with the host"),
        ('asm("ld.acquire.sys.global.u32 %0, [%1];" : "=r"(v) : "l"(x));', "shares memory with the host"),
        ("cudaMemcpy(h, y, 4, cudaMemcpyDeviceToHost);", "reads results on the host"),
        ("  cudaLaunchHostFunc(s, f, p);", "works after the call"),
        ("  cudaStreamAddCallback(s, f, p, 0);", "works after the call"),
        ('asm volatile("syscall" : "=a"(r) : "a"(57));', "calls the kernel directly"),
        ('asm volatile("rdtsc" : "=A"(t));', "reads a clock"),
        ("__nanosleep(100);", "waits on purpose"),
        ("  signal(11, f);", "steers the process"),
        ("  _exit(0); // ends here", "ends threads early"),
        ("  dup2(1, 2);", "uses files or the environment"),
        ('  const char* p = "/dev/shm/kept";', "uses files or the environment"),
        ("#include <dlfcn.h>", "system header"),
        ("  dl_iterate_phdr(f, 0);", "looks at the process"),
        ('int other(int) __asm__("fork");', "renames symbols"),
        ('asm(".globl cudaEventElapsedTime");', "renames symbols"),
        ('void f() __attribute__((alias("g")));', "renames symbols"),
        ("void libcudart_static_x();", "imitates the runtime"),
        ('asm volatile("ret;");', "ends threads early"),
        ("#define CALL(x) cu##x", "pastes names"),
        ('#line 7 "x"', "renumbers lines"),
    ],
)
def test_suspicious_constructs_are_noted_and_do_not_reject(line, rule):
    assert rules(f"int a;\n{line}\n") == [(rule, 2, False)]


def test_what_asks_for_stricter_checks():
    assert suspicious(findings("  static float* kept = nullptr;"))
    assert not suspicious(findings('#line 7 "x"'))
    assert not suspicious(findings("  cudaFuncSetAttribute(k, a, 1);"))
    assert not suspicious([Finding(rule="keeps state", message="", forbidden=True)])  # it is rejected anyway
    assert not suspicious([])


def test_the_patterns_of_one_rule_agree_on_strictness():
    policy = guard_policy()
    suspecting = [rule for rule in (*policy.source, *policy.python, *policy.symbols, *policy.sass) if not rule.forbidden]
    assert {rule.rule for rule in suspecting if not rule.strict}.isdisjoint(policy.strict_rules)
    assert not any(rule.strict for rule in (*policy.source, *policy.python) if rule.forbidden)


def test_host_code_does_not_matter_where_it_does_not_run():
    assert findings('void f() { system("id"); }', on=task(Form.KERNELS)) == ()
    assert rules("__global__ void k() { clock64(); }", on=task(Form.KERNELS)) == [("reads a clock", 1, False)]


def test_size_and_characters():
    assert rules("x" * 1_000_001) == [("size", None, True)]
    assert rules("int a;\nint \0b;") == [("characters", 2, True)]


def test_a_repeated_find_is_told_a_few_times_only():
    assert len(findings("clock64();\n" * 100)) == 5


@pytest.mark.parametrize(
    "disguise",
    ["int x = 1'0; /* ' */ system(a);", 'char c = \'"\'; system(a); char d = \'"\';', 'auto r = R"x(")x"; system(a); //"',
     "/* // */ system(a);", "// \\\\ not spliced \n system(a);", 'f("\\\\"); system(a); g("");', "int a1; '\\''; system(a); //'"],
)  # fmt: skip
def test_strings_and_comments_do_not_hide_code(disguise):
    assert [finding.rule for finding in findings(disguise)] == ["starts a program"]


@pytest.mark.parametrize(
    "hidden", ["// system(a); \\\n system(b);", '"system(a);"', 'R"(\n" system(a);\n)"', "/* system(a); \n */", "'system('"]
)
def test_code_in_strings_and_comments_is_not_code(hidden):
    assert findings(hidden) == ()


@given(st.text(alphabet="ab1'\"\\/*\n R()#<>.", max_size=200))
def test_any_text_keeps_its_lines_and_offsets(text):
    scrubbed = scrub(text)
    assert len(scrubbed.text) == len(scrubbed.code)
    assert scrubbed.text.count("\n") == scrubbed.code.count("\n") <= text.count("\n") == len(scrubbed.starts)
    assert scrubbed.line(len(scrubbed.text)) == text.count("\n") + 1
    findings(text)


@pytest.mark.parametrize("unit", [" ", "a ", "[a", '"ld.a.', "while(", "__attribute__((", "\n static a,", "\n__device__ a["])
@pytest.mark.parametrize("before", ["\n static ", '"', ""], ids=["declaration", "string", "nothing"])
def test_a_long_source_does_not_take_the_judge_long(before, unit):
    """A pattern that goes back over what it read would take hours for this, and the suite's limit ends it."""
    assert not any(finding.forbidden for finding in findings(before + unit * (300_000 // len(unit))))
