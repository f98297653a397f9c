"""Finding nvcc: through wrappers, in the order promised, and without it. The toolkits here are scripts that answer as nvcc does."""

import os

import pytest

from kernelsearch.toolchain import locate


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine without any nvcc; returns a maker of toolkits."""
    for variable in ("CUDA_HOME", "CUDA_PATH"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    fixed = locate._candidates

    def candidates():
        return (path for path in fixed() if path.is_relative_to(tmp_path))

    monkeypatch.setattr(locate, "_candidates", candidates)
    monkeypatch.setattr(locate, "_wheels", list)

    def toolkit(name, version, *, tools=(), library="lib64"):
        root = tmp_path / name
        (root / "bin").mkdir(parents=True)
        (root / library).mkdir(parents=True)
        (root / library / "libcudart_static.a").touch()
        script = f"""#!/bin/sh
case "$1" in
  --version) echo "Cuda compilation tools, release {version[:4]}, V{version}" ;;
  *) echo '#$ TOP={root}/bin/..' >&2 ;;
esac
"""
        for tool, text in {"nvcc": script, **dict.fromkeys(tools, "#!/bin/sh\n")}.items():
            (root / "bin" / tool).write_text(text)
            (root / "bin" / tool).chmod(0o755)
        return root

    return toolkit


def test_no_nvcc_is_none(machine):
    assert locate.find_nvcc() is None


def test_cuda_home_comes_before_path_before_wheels(machine, monkeypatch):
    home, on_path, wheel = machine("home", "13.0.88"), machine("path", "12.8.1"), machine("wheel", "13.2.1")
    monkeypatch.setattr(locate, "_wheels", lambda: [wheel / "bin"])
    assert locate.find_nvcc().version == "13.2.1"
    monkeypatch.setenv("PATH", f"{on_path}/bin")
    assert locate.find_nvcc().version == "12.8.1"
    monkeypatch.setenv("CUDA_HOME", str(home))
    assert locate.find_nvcc().version == "13.0.88"


def test_a_broken_one_is_passed_over(machine, monkeypatch, tmp_path):
    good = machine("good", "13.0.88")
    (tmp_path / "bad" / "bin").mkdir(parents=True)
    (tmp_path / "bad" / "bin" / "nvcc").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "bad" / "bin" / "nvcc").chmod(0o755)
    monkeypatch.setenv("CUDA_HOME", str(tmp_path / "bad"))
    monkeypatch.setenv("CUDA_PATH", str(good))
    assert locate.find_nvcc().root == good


def test_a_wrapper_leads_to_its_toolkit(machine, monkeypatch, tmp_path):
    root = machine("toolkit", "13.0.88", library="lib")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "nvcc").write_text(f'#!/bin/sh\nexec {root}/bin/nvcc "$@"\n')
    (tmp_path / "bin" / "nvcc").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin")
    nvcc = locate.find_nvcc()
    assert (nvcc.path, nvcc.library_dirs, nvcc.readable) == (root / "bin" / "nvcc", (root / "lib",), (root,))


def test_a_disassembler_needs_both_tools(machine, monkeypatch):
    half, whole = machine("half", "13.0.88", tools=("cuobjdump",)), machine("whole", "13.0.88", tools=("cuobjdump", "nvdisasm"))
    monkeypatch.setenv("CUDA_HOME", str(half))
    assert locate.find_nvcc().cuobjdump is None
    monkeypatch.setattr(locate, "_wheels", lambda: [whole / "bin"])
    found = locate.find_nvcc()
    assert found.cuobjdump == whole / "bin" / "cuobjdump" and os.access(found.cuobjdump, os.X_OK)
    assert found.readable == (half, whole / "bin")
