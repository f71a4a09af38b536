"""What only a process of its own can show: imports, signals, pipes, missing extras."""

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import kmeans_xp
from kmeans_xp.cli import main
from kmeans_xp.cli.outputs import atomic
from kmeans_xp.cli.progress import progress
from tests.cli.conftest import Terminal

ROOT = Path(kmeans_xp.__file__).parent.parent

# Runs the command line after hiding some packages, as if they were not installed.
HIDING = """
import sys
for name in {hidden!r}:
    sys.modules[name] = None
from kmeans_xp.cli import main
status = main({arguments!r})
print(sorted(m for m in {watched!r} if sys.modules.get(m)), file=sys.stderr)
sys.exit(status)
"""
WATCHED = ["pyarrow", "PIL", "matplotlib", "torch", "jax", "dask", "pandas", "sklearn"]


def run_python(*arguments, cwd=ROOT):
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, cwd=cwd, timeout=120
    )
    return done.returncode, done.stdout, done.stderr


def run_hiding(hidden, *arguments):
    program = HIDING.format(hidden=hidden, arguments=list(arguments), watched=WATCHED)
    return run_python("-c", program)


def test_without_the_extra_one_line_names_it():
    status, out, err = run_hiding(["typer"], "fit", "sample:iris", "-k", "3")
    assert (status, out) == (2, "")
    first, imported = err.splitlines()
    assert "needs typer, which is not installed: pip install 'kmeans_xp[cli]'" in first
    assert imported == "[]"


# Not listed by `info`, which imports them for it.
BACKENDS = ["torch", "jax", "dask", "array_api_strict"]
WITHOUT_CLI = ["typer", "click", "rich", "pyarrow", "PIL"]


def test_what_is_installed_is_told_without_the_extra():
    status, out, _ = run_hiding([*WITHOUT_CLI, *BACKENDS], "info")
    assert status == 0
    assert out == run_hiding(BACKENDS, "info")[1]
    assert "compiled" in out
    status, out, _ = run_hiding(WITHOUT_CLI, "info", "--json", "--for", "sample:iris", "-k", "3")
    assert (status, json.loads(out)["shape"]) == (0, [150, 4])
    status, out, err = run_hiding(WITHOUT_CLI, "info", "--no-such")
    assert (status, out) == (2, "")
    line = "kmeans-xp: error: unrecognized arguments: --no-such (see kmeans-xp info --help)"
    assert err.splitlines()[0] == line


def test_kernels_are_compiled_without_the_extra():
    pytest.importorskip("numba")
    status, out, _ = run_hiding([*WITHOUT_CLI, *BACKENDS], "info", "--compile", "--json")
    assert (status, json.loads(out)["compiled"]) == (0, True)
    status, out, err = run_hiding([*WITHOUT_CLI, "numba"], "info", "--compile")
    assert (status, out) == (2, "")
    assert "pip install 'kmeans_xp[fast]'" in err.splitlines()[0]


def test_the_module_runs_as_the_command(tmp_path):
    labels = tmp_path / "l.npy"
    arguments = ("fit", "sample:iris", "-k", "3", "-o", str(labels), "--json")
    status, out, err = run_python("-m", "kmeans_xp.cli", *arguments)
    assert (status, err) == (0, "")
    assert json.loads(out)["rows"] == 150
    assert labels.stat().st_size == 128 + 4 * 150


def test_an_error_is_one_line_in_a_process_too():
    status, out, err = run_python("-m", "kmeans_xp.cli", "fit", "absent.csv", "-k", "2")
    assert (status, out) == (2, "")
    assert err == "kmeans-xp: error: absent.csv: No such file or directory\n"


def test_an_array_needs_none_of_the_packages_for_tables_and_images(tmp_path):
    import numpy as np

    np.save(tmp_path / "x.npy", np.arange(20.0).reshape(10, 2))
    arguments = ("fit", str(tmp_path / "x.npy"), "-k", "2", "-o", str(tmp_path / "l.npy"))
    status, out, err = run_hiding(["pyarrow", "PIL", "matplotlib"], *arguments)
    assert (status, err) == (0, "[]\n")
    assert "10 rows x 2 features" in out


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
def test_ctrl_c_ends_with_130_and_one_line(tmp_path):
    program = (
        "import functools, os, signal, sys\n"
        "import kmeans_xp\n"
        "from kmeans_xp.cli import main\n"
        "real = kmeans_xp.kmeans\n"
        "def press(iteration):\n"
        "    if iteration.number == 2:\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "@functools.wraps(real)\n"
        "def kmeans(X, k, **keywords):\n"
        "    return real(X, k, **(keywords | {'callback': press}))\n"
        "kmeans_xp.kmeans = kmeans\n"
        f"sys.exit(main(['fit', 'sample:digits', '-k', '30', '-o', {str(tmp_path / 'l.npy')!r}]))"
    )
    status, out, err = run_python("-c", program)
    assert (status, out, err) == (130, "", "kmeans-xp: error: interrupted\n")
    assert list(tmp_path.iterdir()) == []


# Labels are written; after half of them comes a signal.
KILLED = """
import os, signal, sys
sys.path[:0] = [{root!r}]
from pathlib import Path
import numpy as np
from kmeans_xp.cli import main
number, ignored = signal.Signals[{name!r}], {ignored!r}
if ignored:
    signal.signal(number, signal.SIG_IGN)
def save(file, labels, allow_pickle):
    file.write(b"half")
    file.flush()
    assert len([p for p in Path().iterdir() if p.name.startswith(".l.npy")]) == 1
    os.kill(os.getpid(), number)
    file.write(b"whole")
np.save = save
sys.exit(main(["fit", "sample:iris", "-k", "3", "-q", "-o", "l.npy"]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_signal_ends_the_process_and_leaves_no_draft(tmp_path, name):
    (tmp_path / "l.npy").write_bytes(b"old")
    program = KILLED.format(root=str(ROOT), name=name, ignored=False)
    status, out, err = run_python("-c", program, cwd=tmp_path)
    assert (status, out, err) == (-signal.Signals[name], "", "")
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("l.npy", b"old")]


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_an_ignored_signal_stays_ignored(tmp_path, name):
    program = KILLED.format(root=str(ROOT), name=name, ignored=True)
    assert run_python("-c", program, cwd=tmp_path) == (0, "", "")
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("l.npy", b"halfwhole")]


def handlers():
    return {name: signal.getsignal(name) for name in signal.valid_signals()}


def test_a_call_from_any_thread_leaves_no_handler(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before, arguments = handlers(), ["fit", "sample:iris", "-k", "2", "-q", "-o"]
    assert main([*arguments, "l.npy"]) == 0
    with ThreadPoolExecutor() as pool:
        assert pool.submit(main, [*arguments, "m.npy"]).result() == 0
    assert handlers() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["l.npy", "m.npy"]


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
def test_a_callers_own_handler_is_called(tmp_path):
    called = []
    before = signal.signal(signal.SIGTERM, lambda *_: called.append(True))
    try:
        with atomic(tmp_path / "x.bin") as file:
            os.kill(os.getpid(), signal.SIGTERM)
            file.write(b"whole")
    finally:
        signal.signal(signal.SIGTERM, before)
    assert called == [True]
    assert (tmp_path / "x.bin").read_bytes() == b"whole"


def test_ctrl_c_in_the_midst_of_tidying_leaves_no_draft(tmp_path, monkeypatch):
    unlink, signals = Path.unlink, [signal.SIGINT]

    def interrupted(path, missing_ok=False):
        if signals:
            signal.raise_signal(signals.pop())
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", interrupted)
    with pytest.raises(KeyboardInterrupt), atomic(tmp_path / "x.bin"):
        raise RuntimeError("halfway")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="pipes are POSIX's")
def test_a_reader_that_goes_away_is_no_traceback():
    command = f"{sys.executable} -m kmeans_xp.cli fit sample:iris -k 3 --json | true"
    done = subprocess.run(
        ["sh", "-c", command], capture_output=True, text=True, cwd=ROOT, timeout=60
    )
    assert "Traceback" not in done.stderr
    assert done.stderr == ""


FIT = "fit sample:iris -k 3 --seed 0"
CLOSED = {
    f"{FIT} -o l.npy >&-": (0, ""),
    f"{FIT} -o l.npy >&- 2>&- <&-": (0, ""),
    f"{FIT} >&-": (0, ""),
    "info >&-": (0, ""),
    "--version >&-": (0, ""),
    "fit absent.csv -k 3 2>&-": (2, ""),
    "fit absent.csv -k 3 2>/dev/full": (2, ""),
    f"{FIT} -o l.npy >/dev/full": (2, "standard output: No space left on device"),
    "--version >/dev/full": (2, "standard output: No space left on device"),
    "fit --help >/dev/full": (2, "standard output: No space left on device"),
    "info >/dev/full": (2, "standard output: No space left on device"),
}


@pytest.mark.skipif(sys.platform == "win32", reason="the shell is POSIX's")
@pytest.mark.parametrize("command", CLOSED)
def test_a_standard_stream_that_is_closed_or_full(tmp_path, command):
    if "/dev/full" in command and not Path("/dev/full").is_char_device():
        pytest.skip("this system has no full device")
    status, out, err = run_shell(f"$KMEANS_XP {command}", tmp_path)
    wanted, message = CLOSED[command]
    assert (status, out) == (wanted, "")
    assert err == (f"kmeans-xp: error: {message}\n" if message else "")
    assert (tmp_path / "l.npy").exists() == ("-o" in command)
    if "-o" in command:  # and nothing but labels is in the file
        assert (tmp_path / "l.npy").stat().st_size == 128 + 4 * 150


@pytest.mark.skipif(sys.platform == "win32", reason="pipes are POSIX's")
@pytest.mark.parametrize("form", ["--json", ""])
@pytest.mark.parametrize(("output", "status"), [("-o l.csv", 0), ("--model m.npz", 0), ("", 1)])
def test_a_reader_that_goes_away_is_no_failure_after_a_file_was_written(
    tmp_path, output, form, status
):
    # The reader goes before anything is written.
    command = f"{{ $KMEANS_XP {FIT} {form} {output}; echo $? >status; }} | exec true"
    assert run_shell(command, tmp_path) == (0, "", "")
    assert (tmp_path / "status").read_text() == f"{status}\n"


def run_shell(command, folder, **environment):
    paths = {"PYTHONPATH": str(ROOT), "KMEANS_XP": f"{sys.executable} -m kmeans_xp.cli"}
    done = subprocess.run(
        ["sh", "-c", command],
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=120,
        env=os.environ | paths | environment,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="the shell is POSIX's")
def test_standard_input_of_a_process(tmp_path):
    (tmp_path / "x.csv").write_text("a,b\n1,2\n3,4\n50,60\n")
    command = "cat x.csv | $KMEANS_XP fit - -k 2 -q --seed 0 -o l.csv --model m.npz"
    assert run_shell(command, tmp_path) == (0, "", "")
    assert run_shell("$KMEANS_XP predict m.npz - -q -o p.csv <x.csv", tmp_path) == (0, "", "")
    assert (tmp_path / "p.csv").read_text() == (tmp_path / "l.csv").read_text()
    status, _, err = run_shell("$KMEANS_XP fit - -k 2 <&-", tmp_path)
    assert (status, err) == (2, "kmeans-xp: error: standard input: is empty\n")


@pytest.mark.skipif(sys.platform == "win32", reason="the shell is POSIX's")
def test_completion_is_installed_and_completes(tmp_path):
    home = {"HOME": str(tmp_path), "SHELL": "/bin/bash"}
    told = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    status, out, err = run_shell("$KMEANS_XP --show-completion bash", tmp_path, **home, **told)
    assert (status, err) == (0, "")
    assert "complete" in out
    assert "kmeans-xp" in out
    status, _, err = run_shell("$KMEANS_XP --install-completion bash", tmp_path, **home, **told)
    assert (status, err) == (0, "")
    assert any("kmeans-xp" in path.name for path in tmp_path.rglob("*.sh"))
    asked = {"_KMEANS_XP_COMPLETE": "complete_bash", "COMP_CWORD": "2"}
    asked["COMP_WORDS"] = "kmeans-xp fit --stand"
    assert run_shell("$KMEANS_XP", tmp_path, **asked)[:2] == (0, "--standardize\n")


@pytest.mark.parametrize("command", [[], ["fit"], ["predict"], ["choose-k"], ["info"]])
def test_h_is_help(capsys, command):
    assert main([*command, "--help"]) == 0
    long = capsys.readouterr()
    assert main([*command, "-h"]) == 0
    assert capsys.readouterr() == long
    assert "Usage" in long.out


def test_typers_own_runner_gets_the_same(tmp_path):
    from typer.testing import CliRunner

    from kmeans_xp.cli.app import app

    done = CliRunner().invoke(app, ["fit", "sample:iris", "-k", "3", "--seed", "0", "--json"])
    assert (done.exit_code, json.loads(done.output)["rows"]) == (0, 150)
    done = CliRunner().invoke(app, ["fit", "absent.csv", "-k", "3"])
    assert (done.exit_code, done.output.count("\n")) == (2, 1)


def test_version_and_help(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"kmeans_xp {kmeans_xp.__version__}\n"
    assert main([]) == 0
    assert "predict" in capsys.readouterr().out
    for command in ("fit", "choose-k"):
        assert main([command, "--help"]) == 0
        shown = capsys.readouterr().out
        for option in ("--standardize", "--kernel", "--strategy", "--no-mixing"):
            assert option in shown


@pytest.mark.parametrize(("patience", "shown"), [(0.0, True), (60.0, False)])
def test_a_bar_shows_on_a_terminal_after_a_while(monkeypatch, capsys, patience, shown):
    monkeypatch.setattr("kmeans_xp.cli.progress.PATIENCE", patience)
    monkeypatch.setattr(sys, "stderr", Terminal(sys.stderr))
    monkeypatch.setenv("TERM", "xterm")
    with progress(10, "iterations", wanted=True) as callback:
        kmeans_xp.kmeans([[0.0], [1.0], [5.0]], 2, callback=callback, rng=0)
    err = capsys.readouterr().err
    assert ("iterations" in err) == shown


@pytest.mark.parametrize(
    ("function", "shown"), [("soft_kmeans", "log-likelihood"), ("kmedoids", "loss")]
)
def test_the_bar_shows_the_objective_by_its_name(monkeypatch, capsys, function, shown):
    monkeypatch.setattr("kmeans_xp.cli.progress.PATIENCE", 0.0)
    monkeypatch.setattr(sys, "stderr", Terminal(sys.stderr))
    monkeypatch.setenv("TERM", "xterm")
    with progress(10, "steps", wanted=True) as callback:
        getattr(kmeans_xp, function)([[0.0], [1.0], [5.0]], 2, callback=callback, rng=0)
    err = capsys.readouterr().err
    assert f" {shown} " in err
    assert "of at most 10 steps" in err


def test_no_bar_without_a_terminal_or_where_none_is_wanted(monkeypatch):
    with progress(10, "iterations", wanted=True) as callback:
        assert callback is None
    monkeypatch.setattr(sys, "stderr", Terminal(sys.stderr))
    with progress(10, "iterations", wanted=False) as callback:
        assert callback is None


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_a_mapped_file_is_streamed_from_end_to_end(tmp_path):
    import numpy as np

    # Half a gigabyte that takes no room on the disk: what is never written is zero.
    rows = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.float32, (2_000_000, 64))
    rows[::200_000] = np.arange(10)[:, None]
    del rows
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from kmeans_xp.cli import main\n"
        "outputs = ['--model', 'm.npz', '-o', 'l.npy', '--plot', 'p.png']\n"
        "status = main(['fit', 'x.npy', '-k', '2', '--max-iter', '2', '-q', *outputs])\n"
        "status += main(['predict', 'm.npz', 'x.npy', '-o', 'q.npy', '-q'])\n"
        "print(Path('/proc/self/status').read_text())\n"
        "sys.exit(status)"
    )
    status, out, err = run_python(
        "-c", f"import sys; sys.path[:0] = [{str(ROOT)!r}]\n{program}", cwd=tmp_path
    )
    assert (status, err) == (0, "")
    peak = next(line for line in out.splitlines() if line.startswith("VmHWM"))
    assert int(peak.split()[1]) < 400_000  # kilobytes
    assert (tmp_path / "q.npy").read_bytes() == (tmp_path / "l.npy").read_bytes()
