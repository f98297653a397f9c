"""The guard on what was built: who calls what, what runs at loading, what is exported, and machine code that says what it does."""

import platform
import struct
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernelsearch.guard import inspect, suspicious
from kernelsearch.guard.elf import read
from kernelsearch.model import (
    Arg,
    ArgKind,
    Build,
    Candidate,
    Case,
    DType,
    Expression,
    Form,
    Launch,
    LaunchPlan,
    Origin,
    Policy,
    Task,
)
from kernelsearch.sandbox import open_sandbox
from kernelsearch.toolchain.emulated import EmulatedToolchain
from kernelsearch.toolchain.locate import find_nvcc

# A launcher as nvcc links it, in little: a fat binary, a function of the runtime that imports what an honest launcher never calls.
RUNTIME = "libcudart_static_" + "0" * 40
LAUNCHER = f"""
#include <cstdlib>
#include <dlfcn.h>
#include <pthread.h>
#include <unistd.h>
extern "C" {{
__attribute__((section(".nv_fatbin"), used)) static const unsigned image[] = {{0xBA55ED50u, 1}};
__attribute__((visibility("hidden"), noinline)) int cudaLaunchKernel() {{ asm(""); return 0; }}
__attribute__((visibility("hidden"), noinline)) int cudaStreamCreate() {{ asm(""); return 0; }}
__attribute__((visibility("hidden"), used, noinline)) void* {RUNTIME}(void* (*start)(void*)) {{
  pthread_t thread; pthread_create(&thread, nullptr, start, nullptr); return dlsym(dlopen("libcuda.so.1", RTLD_NOW), "cuInit");
}}
}}
"""
HONEST = 'extern "C" void solve(float* y) { y[0] = cudaLaunchKernel(); }'
x86_only = pytest.mark.skipif(platform.machine() != "x86_64", reason="calls are told apart on x86-64 alone")


def task(form=Form.LAUNCHER, dtype=DType.F32, **policy):
    args = (Arg(name="y", kind=ArgKind.OUTPUT, dtype=dtype, shape=(Expression("n"),)),)
    cases = (Case(name="a", sizes={"n": 1}, timed=True),)
    entry = "solve" if form is Form.LAUNCHER else None
    return Task(name="t", form=form, entry=entry, args=args, cases=cases, baseline="", policy=Policy(**policy))


def shared_object(folder, code, *flags, launcher=LAUNCHER):
    source, made = folder / "candidate.cpp", folder / "candidate.so"
    source.write_text(launcher + code)
    command = ["g++", "-shared", "-fPIC", "-O1", "-w", str(source), "-o", str(made), *flags]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return made


def inspected(artifact, on=None, instructions=None, plan=None):
    return inspect(Build(ok=True, toolchain="t", artifact=str(artifact), instructions=instructions or {}, plan=plan), on or task())


def told(artifact, on=None):
    return [(finding.rule, finding.forbidden, finding.message.partition(": ")[2]) for finding in inspected(artifact, on)]


def test_an_honest_launcher_passes_without_a_word(tmp_path):
    assert inspected(shared_object(tmp_path, HONEST)) == ()


@x86_only
@pytest.mark.parametrize(
    ("code", "rule", "name"),
    [
        ('void solve() { dlopen("x", 1); }', "opens a library", "dlopen"),
        ('void* solve() { auto f = dlsym; asm("" : "+r"(f)); return f(0, "x"); }', "opens a library", "dlsym"),
        ("void* (*table[])(void*, const char*) = {dlsym}; void solve() { table[0](0, 0); }", "opens a library", "dlsym"),
        ("void solve(void* (*f)(void*)) { pthread_t t; pthread_create(&t, 0, f, 0); }", "starts a thread", "pthread_create"),
        ("void solve() { fork(); }", "starts a program", "fork"),
        ("#define JOIN(a, b) a##b\nvoid solve() { JOIN(cuda, StreamCreate)(); }", "uses a stream of its own", "cudaStreamCreate"),
        ("void solve() { _exit(0); }", "steers the process", "_exit"),
    ],
)
def test_calls_of_the_candidate_are_told_from_those_of_the_runtime(tmp_path, code, rule, name):
    found = told(shared_object(tmp_path, f'extern "C" {{ {code.replace("#define", chr(10) + "#define")} }}'))
    assert found == [(rule, rule == "opens a library", name)]


@x86_only
@pytest.mark.parametrize("flag", ["-fno-plt", "-Wl,-z,ibtplt", "-Wl,-z,now"])
def test_calls_are_found_however_they_are_linked(tmp_path, flag):
    code = 'extern "C" void* solve() { auto f = dlsym; asm("" : "+r"(f)); fork(); return f(dlopen("x", 1), "x"); }'
    assert told(shared_object(tmp_path, code, flag)) == [("opens a library", True, "dlopen, dlsym"), ("starts a program", False, "fork")]


def test_without_symbols_what_no_honest_launcher_imports_is_told(tmp_path):
    found = inspected(shared_object(tmp_path, 'extern "C" void solve() { fork(); dlopen("x", 1); }', "-s"))
    assert [(finding.rule, finding.forbidden) for finding in found] == [("unreadable binary", False), ("starts a program", False)]
    assert suspicious(found)


def test_what_runs_when_loaded(tmp_path):
    early = shared_object(tmp_path, HONEST + '__attribute__((constructor)) static void early() { asm(""); }')
    assert told(early) == [("runs when loaded", True, "_ZL5earlyv")]
    late = shared_object(tmp_path, HONEST + '__attribute__((destructor)) static void late() { asm(""); }')
    assert told(late) == [("runs when loaded", True, "_ZL4latev")]
    placed = shared_object(tmp_path, HONEST + 'void f() {} __attribute__((section(".init_array"), used)) static void (*p)() = f;')
    assert told(placed) == [("runs when loaded", True, "_Z1fv")]
    chosen = shared_object(
        tmp_path, HONEST + 'extern "C" { typedef void F(); void g() {} F* pick() { return g; } F h __attribute__((ifunc("pick"))); }'
    )
    assert ("runs when loaded", True, "h") in told(chosen)


def test_a_global_object_is_suspicious_alone(tmp_path):
    found = inspected(shared_object(tmp_path, HONEST + 'static struct S { S() { asm(""); } } s;'))
    assert [(finding.rule, finding.forbidden) for finding in found] == [("runs when loaded", False)]
    assert suspicious(found)


@pytest.mark.parametrize("name", ["write", "malloc", "clock_gettime", "cudaEventElapsedTime", "cuLaunchKernel", "cublasSgemm_v2"])
def test_names_of_others_are_not_exported(tmp_path, name):
    made = shared_object(tmp_path, f'{HONEST}\nextern "C" void {name}() {{}}', launcher=LAUNCHER.split("#include", 1)[0] + NO_HEADERS)
    assert ("interposes a function", True, name) in told(made)


NO_HEADERS = '\nextern "C" int cudaLaunchKernel(); __attribute__((section(".nv_fatbin"), used)) static const unsigned image[] = {1};\n'


def test_libraries_are_those_of_the_task(tmp_path):
    (tmp_path / "other.cpp").write_text('extern "C" int other() { return 1; }')
    library = tmp_path / "libother.so.1"
    subprocess.run(["g++", "-shared", "-fPIC", "-Wl,-soname,libother.so.1", str(tmp_path / "other.cpp"), "-o", str(library)], check=True)
    made = shared_object(tmp_path, 'extern "C" int other(); extern "C" int solve() { return other(); }', str(library))
    assert [finding.rule for finding in inspected(made) if finding.forbidden] == ["library"]
    assert inspected(made, task(libraries=("other",))) == ()
    for way in ("--enable-new-dtags", "--disable-new-dtags"):
        made = shared_object(tmp_path, HONEST, f"-Wl,{way},-rpath,/tmp/x")
        assert told(made) == [("library", True, "/tmp/x")]


@pytest.mark.parametrize(
    "image",
    [r"\x50\xed\x55\xba\x01\x00", r"\x7f\x45\x4c\x46\x02\x01\x01\x41\x08\0\0\0\0\0\0\0\x02\0\xbe\0", r".version 9.0\n.target sm_90a"],
    ids=["fat binary", "cubin", "PTX"],
)  # fmt: skip
def test_device_code_belongs_into_the_fat_binary(tmp_path, image):
    found = inspected(shared_object(tmp_path, f'{HONEST}\nextern const char kept[] = "{image}";'))
    assert [(finding.rule, finding.forbidden) for finding in found] == [("carries device code", False)]
    assert suspicious(found)


def test_a_stack_that_is_run(tmp_path):
    found = inspected(shared_object(tmp_path, HONEST, "-Wl,-z,execstack"))
    assert [finding.rule for finding in found] == ["writable code"]


def test_what_is_no_binary_is_suspicious(tmp_path):
    (tmp_path / "text").write_text("no ELF")
    for artifact in (tmp_path / "text", tmp_path / "missing", tmp_path):
        found = inspected(artifact)
        assert [(finding.rule, finding.forbidden) for finding in found] == [("unreadable binary", False)]
        assert suspicious(found)


def cubin(symbols, sections=()):
    """An ELF file for the device: a symbol is (name, other, defined), a further section (name, size)."""
    strings, names, table = b"\0", b"\0", bytes(24)
    for name, other, defined in symbols:
        table += struct.pack("<IBBHQQ", len(strings), 0x12, other, int(defined), 0, 16)
        strings += name.encode() + b"\0"
    rows, data = [bytes(64)], b""
    bodies = [
        (".symtab", 2, table, len(table), 2),
        (".strtab", 3, strings, len(strings), 0),
        *((name, 8, b"", size, 0) for name, size in sections),
    ]
    for name, kind, body, size, link in bodies:
        rows.append(struct.pack("<IIQQQQIIQQ", len(names), kind, 0, 0, 64 + len(data), size, link, 0, 0, 0))
        names, data = names + name.encode() + b"\0", data + body
    rows.append(struct.pack("<IIQQQQIIQQ", 0, 3, 0, 0, 64 + len(data), len(names), 0, 0, 0, 0))
    at = 64 + len(data) + len(names)
    header = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01\x41", 2, 190, 1, 0, 0, at, 0, 64, 56, 0, 64, len(rows), len(rows) - 1)
    return header + data + names + b"".join(rows)


def test_a_cubin_is_compared_with_its_plan(tmp_path):
    path = tmp_path / "artifact"
    plan = LaunchPlan(launches=(Launch(kernel="_Z1kPf", grid=(Expression("1"),) * 3, block=(Expression("1"),) * 3, args=("y",)),))
    on = task(Form.KERNELS)
    path.write_bytes(cubin([("_Z1kPf", 0x10, True), ("helper", 0, True), ("vprintf", 0, False)]))
    assert inspected(path, on, plan=plan) == ()
    path.write_bytes(cubin([("_Z1kPf", 0x10, True), ("_Z5otherv", 0x10, True), ("cudaLaunchDeviceV2", 0, False)], [(".nv.global", 64)]))
    found = inspected(path, on, plan=plan)
    assert [finding.rule for finding in found] == ["further kernels", "keeps state", "launches from the device"]
    assert not any(finding.forbidden for finding in found)


@pytest.mark.parametrize(
    ("opcode", "rule"),
    [
        ("CS2R SR_CLOCKLO", "reads a clock"),
        ("S2UR SR_GLOBALTIMERLO", "reads a clock"),
        ("BPT.TRAP", "ends threads early"),
        ("PREEXIT", "overlaps calls"),
        ("LDG.E.EL", "pins the cache"),
        ("CCTL.E.PML2", "pins the cache"),
        ("LDG.E.STRONG.SYS", "shares memory with the host"),
        ("HMMA.1684.F32.TF32", "lowers precision"),
        ("HGMMA.64x128x16.F32", "lowers precision"),
        ("F2FP.F16.F32.PACK_AB", "lowers precision"),
        ("HFMA2.BF16_V2", "lowers precision"),
    ],
)
def test_machine_code_says_what_it_does(tmp_path, opcode, rule):
    found = inspected(shared_object(tmp_path, HONEST), instructions={opcode: 3, "FFMA": 1})
    assert [(finding.rule, finding.forbidden) for finding in found] == [(rule, False)]
    assert suspicious(found)


def test_precision_is_that_of_the_task(tmp_path):
    made = shared_object(tmp_path, HONEST)
    usual = {"HFMA2.MMA": 2, "DMMA.884": 1, "MUFU.RCP": 1, "CS2R": 1, "S2R SR_TID.X": 1, "LDG.E.EF": 1, "STG.E.STRONG.GPU": 1}
    assert inspected(made, instructions=usual) == ()
    half = {"HMMA.16816.F32": 1, "HADD2.F32": 1}
    assert inspected(made, task(dtype=DType.F16), instructions=half) == inspected(made, task(fast_math=True), instructions=half) == ()
    assert [finding.rule for finding in inspected(made, task(dtype=DType.F64), instructions={"F2F.F32.F64": 1})] == ["lowers precision"]
    assert inspected(made, instructions={"F2F.F32.F64": 1}) == ()


@pytest.mark.skipif(find_nvcc() is None, reason="no nvcc")
def test_a_launcher_by_nvcc(tmp_path):
    source = tmp_path / "candidate.cu"
    kernel = "#include <dlfcn.h>\n__global__ void k(float* y) { y[threadIdx.x] *= 2; }\n"
    for body, rules in (
        ("", []),
        ('dlopen("x", 1);', ["opens a library"]),
        ("cudaDeviceSetLimit(cudaLimitStackSize, 1);", ["changes the device"]),
    ):
        source.write_text(f'{kernel}extern "C" void solve(float* y) {{ {body} k<<<1, 32>>>(y); }}')
        command = [
            str(find_nvcc().path),
            "-shared",
            "-Xcompiler",
            "-fPIC",
            "-arch=sm_90",
            *(f"-L{path}" for path in find_nvcc().library_dirs),
        ]
        subprocess.run([*command, str(source), "-o", str(tmp_path / "made.so")], check=True, timeout=100, capture_output=True)
        assert [finding.rule for finding in inspected(tmp_path / "made.so")] == rules


def test_a_launcher_of_the_emulated_device(tmp_path_factory):
    cache = tmp_path_factory.getbasetemp() / "emulated"  # as other files name it: the emulation's runtime takes long to compile
    toolchain = EmulatedToolchain(sandbox=open_sandbox(unsafe=True), cache=cache, nvcc=None)
    kernel = "#include <thread>\n__global__ void k(float* y) { y[threadIdx.x] *= 2; }\n"
    for body, rules in (("", []), ("std::thread([] {}).detach();", ["starts a thread"])):
        source = f'{kernel}extern "C" void solve(float* y) {{ {body} k<<<1, 32>>>(y); }}'
        build = toolchain.build(Candidate(task="t", source=source, flags=(), origin=Origin(proposer="t")), task())
        assert [finding.rule for finding in inspect(build, task())] == rules, build.log


@given(st.binary(max_size=400))
def test_any_bytes_are_read(data):
    for start in (b"", b"\x7fELF\x02\x01"):
        take_apart(start + data)


def take_apart(data):
    if elf := read(data):
        assert all(len(elf.content(section)) <= len(data) for section in elf.sections)
        assert all(isinstance(symbol.name, str) for symbol in (*elf.symbols, *elf.dynamic_symbols))
        assert (elf.relocations, elf.dynamic, elf.segments) is not None


@pytest.fixture(scope="module")
def honest_bytes(tmp_path_factory):
    return shared_object(tmp_path_factory.mktemp("honest"), HONEST).read_bytes()


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_a_damaged_binary_is_judged(honest_bytes, tmp_path_factory, data):
    damaged = bytearray(honest_bytes)
    tables = struct.unpack_from("<Q", damaged, 40)[0]
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.one_of(st.integers(0, 63), st.integers(tables, len(damaged) - 1), st.integers(0, len(damaged) - 1)))
        damaged[place] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(damaged[: data.draw(st.one_of(st.just(len(damaged)), st.integers(0, len(damaged))))])
    inspected(path)
