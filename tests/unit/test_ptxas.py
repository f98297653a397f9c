"""Reading `ptxas -v`: what nvcc 13.0 prints, older forms, and any report that can be generated."""

import string

from hypothesis import given
from hypothesis import strategies as st

from kernelsearch.model import KernelResources
from kernelsearch.toolchain.ptxas import plain_name, resources, without_report

REPORT = """\
ptxas info    : 4 bytes gmem
ptxas info    : Compiling entry function '_Z4tmplILi3EEvPf' for 'sm_90a'
ptxas info    : Function properties for _Z4tmplILi3EEvPf
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 8 registers, used 0 barriers
ptxas info    : Compile time = 0.844 ms
ptxas info    : Compiling entry function 'plain' for 'sm_90a'
ptxas info    : Function properties for plain
    256 bytes stack frame, 12 bytes spill stores, 8 bytes spill loads
ptxas info    : Function properties for _Z6helperf
    16 bytes stack frame, 4 bytes spill stores, 4 bytes spill loads
ptxas info    : Used 255 registers, used 1 barriers, 1024 bytes smem, 380 bytes cmem[0], 8 bytes cmem[2]
ptxas info    : (C7510) Potential Performance Loss: wgmma.mma_async instructions are serialized
candidate.cu(3): warning #177-D: variable "q" was declared but never referenced
"""


def test_what_nvcc_13_prints():
    assert resources(REPORT) == (
        KernelResources(kernel="_Z4tmplILi3EEvPf", registers=8),
        KernelResources(
            kernel="plain", registers=255, spill_store_bytes=12, spill_load_bytes=8, shared_bytes=1024, constant_bytes=388, stack_bytes=256
        ),
    )


def test_declared_plus_reserved_of_old_compilers():
    text = "ptxas info : Compiling entry function 'k' for 'sm_70'\nptxas info : Used 10 registers, 4096+16 bytes smem, 360 bytes cmem[0]"
    assert resources(text) == (KernelResources(kernel="k", registers=10, shared_bytes=4112, constant_bytes=360),)


def test_warnings_stay_and_the_report_goes():
    assert without_report(REPORT).splitlines() == REPORT.splitlines()[-2:]


def test_nothing_in_nothing():
    assert resources("") == () and without_report("") == ""


SIZES = st.integers(0, 1 << 20)
IDENTIFIERS = st.text(string.ascii_letters + "_", min_size=1, max_size=12)
KERNELS = st.builds(
    KernelResources,
    kernel=IDENTIFIERS,
    registers=st.integers(1, 255),
    spill_store_bytes=SIZES,
    spill_load_bytes=SIZES,
    shared_bytes=SIZES,
    constant_bytes=SIZES,
    stack_bytes=SIZES,
)


def render(kernel):
    """The report of one kernel; ptxas leaves out the sizes that are zero."""
    tail = f", {kernel.shared_bytes} bytes smem" if kernel.shared_bytes else ""
    tail += f", {kernel.constant_bytes} bytes cmem[0]" if kernel.constant_bytes else ""
    return (
        f"ptxas info    : Compiling entry function '{kernel.kernel}' for 'sm_90a'\n"
        f"ptxas info    : Function properties for {kernel.kernel}\n"
        f"    {kernel.stack_bytes} bytes stack frame, {kernel.spill_store_bytes} bytes spill stores, "
        f"{kernel.spill_load_bytes} bytes spill loads\n"
        f"ptxas info    : Used {kernel.registers} registers, used 1 barriers{tail}\n"
    )


@given(st.lists(KERNELS, unique_by=lambda kernel: kernel.kernel))
def test_every_report_is_read_back(kernels):
    text = "".join(map(render, kernels))
    assert resources(text) == tuple(kernels)
    assert without_report(text) == ""


@given(st.text())
def test_any_text_is_survived(text):
    resources(text)
    without_report(text)
    plain_name(text)


def test_names_of_symbols():
    assert plain_name("plain") == "plain"
    assert plain_name("_Z5scalePKfPfi") == "scale"
    assert plain_name("_ZL5scalePKfPfi") == "scale"
    assert plain_name("_ZN1a5innerEPf") == "inner"
    assert plain_name("_ZN12_GLOBAL__N_15innerEPf") == "inner"
    assert plain_name("_ZN1a4tmplILi3EEEvPf") == "tmpl"


@given(st.lists(IDENTIFIERS, min_size=1, max_size=4))
def test_the_last_name_counts(names):
    parts = "".join(f"{len(name)}{name}" for name in names)
    assert plain_name(f"_ZN{parts}EPf" if len(names) > 1 else f"_Z{parts}Pf") == names[-1]
