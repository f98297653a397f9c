"""What holds without a client: which paths an agent may name, how commands' last words are read, and what starts no server."""

import sys

import pytest

from kernelsearch.cli import group, run
from kernelsearch.errors import UsageError
from kernelsearch.mcp_server.root import Root
from kernelsearch.mcp_server.work import complaint, our_command


@pytest.fixture
def root(tmp_path):
    (tmp_path / "root" / "sub").mkdir(parents=True)
    (tmp_path / "secret.cu").write_text("// secret")
    (tmp_path / "root" / "k.cu").write_text("// kernel")
    return Root(path=tmp_path / "root")


@pytest.mark.parametrize("given", ["../secret.cu", "sub/../../secret.cu", "/etc/passwd", "", "k.cu\0.toml", "/"])
def test_what_lies_outside_is_refused(root, given):
    with pytest.raises(UsageError):
        root.file(given)


def test_what_lies_inside_is_taken_relative_and_absolute(root):
    assert root.kernel("sub/../k.cu") == root.kernel(str(root.path / "k.cu")) == root.path / "k.cu"


def test_a_link_out_is_refused_and_one_within_is_followed(root):
    (root.path / "out.cu").symlink_to(root.path.parent / "secret.cu")
    (root.path / "in.cu").symlink_to("k.cu")
    (root.path / "up").symlink_to("..")
    assert root.kernel("in.cu") == root.path / "k.cu"
    for given in ("out.cu", "up/secret.cu"):
        with pytest.raises(UsageError, match="outside the root"):
            root.kernel(given)


@pytest.mark.parametrize(
    "line",
    [
        'source = "../secret.cu"',
        'source = "k.cu"\n[reference]\npython = "../r.py:f"',
        '[inputs]\npython = "/etc/x.py:f"',
        '[yardstick]\npython = "../y.py:f"',
    ],
)
def test_a_task_file_may_not_name_what_lies_outside(root, line):
    (root.path / "k.task.toml").write_text(line)
    for look in (root.kernel, root.task):
        with pytest.raises(UsageError, match="outside the root"):
            look("k.cu")
    with pytest.raises(UsageError, match="outside the root"):
        root.task("k.task.toml")


def test_a_task_folder_is_looked_at_as_a_whole(root):
    folder = root.path / "sub"
    (folder / "task.toml").write_text('source = "../k.cu"')
    assert root.task("sub") == str(folder)
    (folder / "notes.md").symlink_to("/etc/passwd")
    with pytest.raises(UsageError, match="outside the root"):
        root.task("sub")


def test_a_name_of_the_catalogue_is_one_unless_a_file_is_called_so(root):
    assert root.task("core/row_softmax") == "core/row_softmax"
    (root.path / "core").symlink_to("/etc")
    with pytest.raises(UsageError, match="outside the root"):
        root.task("core")


def test_an_option_is_no_task(root):
    with pytest.raises(UsageError, match="no such file"):
        root.task("--unsafe=yes")


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".hidden", "x" * 81, "a b"])
def test_a_run_has_a_plain_name(root, name):
    with pytest.raises(UsageError, match="letters"):
        root.new_run(name)


def test_a_name_that_is_taken_stays_so_even_by_a_link_to_nowhere(root):
    (root.path / "runs").mkdir()
    (root.path / "runs" / "one.log").symlink_to("/nowhere")
    with pytest.raises(UsageError, match="already"):
        root.new_run("one")
    assert root.new_run("two") == root.path / "runs" / "two"


def test_a_run_is_found_by_name_and_by_folder(root):
    assert root.run("one") == root.run("runs/one") == root.path / "runs" / "one"
    with pytest.raises(UsageError, match="outside"):
        root.run("../one")


def test_the_last_complaint_counts_with_the_lines_that_belong_to_it():
    said = "drafted k.task.toml: correct there\nkernelsearch: it does not build: k.cu:3\n  int x;\n"
    assert complaint(said) == "it does not build: k.cu:3\n  int x;"
    assert complaint("Usage: ...\nError: no\n") == "Usage: ...\nError: no"


def test_modules_are_not_looked_for_where_an_agent_writes():
    assert "-P" in our_command(["doctor"])


def test_without_the_sdk_it_says_what_to_install(tmp_path, monkeypatch, capsys):
    for name in [name for name in sys.modules if name.partition(".")[0] == "mcp" or name == "kernelsearch.mcp_server.server"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "mcp", None)
    assert run(group, "kernelsearch", ["mcp", "--root", str(tmp_path)]) == 3
    assert "pip install 'kernelsearch[mcp]'" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options", [["--device", "tpu"], ["--metrics", "no-such"], ["--hardware", "abacus"], ["--root", "/no/such/folder"]]
)
def test_a_server_that_could_not_work_is_not_started(options, capsys):
    assert run(group, "kernelsearch", ["mcp", *options]) == 2
    assert capsys.readouterr().err.startswith("kernelsearch: ")
