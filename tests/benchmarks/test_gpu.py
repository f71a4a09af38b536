"""The benchmarks of a GPU, by the stand-in for CuPy where there is none. Never a time itself."""

import json
from dataclasses import replace

import numpy as np
import pytest

from benchmarks import gpu, peers, report, scaling
from benchmarks.cli import main
from benchmarks.contest import Result, Score, Settings, contest
from benchmarks.contestants import torch_brute
from benchmarks.datasets import load
from benchmarks.grid import GRIDS, Grid, Point, Target
from benchmarks.measures import INERTIA
from benchmarks.problem import Outcome, pose
from benchmarks.races import RACES, Entry, Race

CUPY = Target("cupy", "cuda")
NUMPY = Target("numpy", "cpu")


def _answer(problem):
    return lambda: Outcome(problem.start, n_iter=4)


def _fail(problem):
    raise OSError("no such library\nand more")


@pytest.fixture
def machine():
    return {
        "cpu": "A processor",
        "cores": 2,
        "threads": 2,
        "memory_gb": None,
        "gpus": ["A GPU"],
        "system": "Linux",
        "python": "3",
        "blas": [],
        "packages": {},
    }


def test_gpu_from_the_command_line(tmp_path, capsys):
    assert main(["gpu", "--quick", "--out", str(tmp_path)]) == 0
    stored = json.loads((tmp_path / "gpu-quick.json").read_text())
    assert stored["failures"] == []
    assert stored["ceilings"]["bandwidth"] > 0
    assert {dtype for dtype, rate in stored["ceilings"]["flops"].items() if rate > 0} == {
        "float16",
        "float32",
        "float64",
    }
    (split,) = stored["splits"]
    assert (split["n"], split["d"], split["k"]) == (2_000, 8, 70)
    assert 0 < split["block_rows"] <= 2_000
    assert min(split[part] for part in ("iteration", "labels", "sums", "product")) > 0
    text = (tmp_path / "gpu-quick.md").read_text()
    assert (report.DRY_RUN in text) == report.is_dry_run(stored["machine"])
    assert "2,000 \u00d7 8, k=70" in text
    assert "float64 product" in capsys.readouterr().out


def test_one_shape_that_fails_costs_the_others_nothing(tmp_path, monkeypatch):
    real, broken = gpu.split, gpu.Shape(100, 2, 3)

    def split(shape):
        if shape == broken:
            raise MemoryError("no room")
        return real(shape)

    monkeypatch.setattr(gpu, "split", split)
    monkeypatch.setattr(gpu, "QUICK_SHAPES", (broken, gpu.Shape(200, 2, 3)))
    with pytest.raises(RuntimeError, match="no room"):
        main(["gpu", "--quick", "--out", str(tmp_path)])
    stored = json.loads((tmp_path / "gpu-quick.json").read_text())
    assert [split["n"] for split in stored["splits"]] == [200]
    (failure,) = stored["failures"]
    assert failure == "Shape(n=100, d=2, k=3): MemoryError: no room"
    assert f"Left out: {failure}" in (tmp_path / "gpu-quick.md").read_text()


def test_a_dry_run_says_so_in_reports(machine):
    assert report.DRY_RUN not in report.machine_lines(machine)
    machine["gpus"] = ["stand-in on NumPy"]
    assert report.machine_lines(machine).startswith(f"**{report.DRY_RUN}**\n\n- A processor")


def test_processors_take_fewer_sizes_than_gpus(monkeypatch):
    monkeypatch.setattr(
        scaling,
        "measure_one",
        lambda target, X, start, iterations: Point(
            target.backend, target.device, target.kind, *X.shape, len(start), 0.0, 0.0, 1, 0.0, ""
        ),
    )
    grid = Grid((100, 200, 300), ((2, 3),), iterations=2, max_seconds=1.0, cpu_rows=(100, 300))
    found = [(p.backend, p.n) for p in scaling.measure(grid, [NUMPY, CUPY], 2, 3, [])]
    assert found == [
        ("numpy", 100),
        ("cupy", 100),
        ("cupy", 200),
        ("numpy", 300),
        ("cupy", 300),
    ]
    assert set(GRIDS["gpu"].cpu_rows) < set(GRIDS["gpu"].rows)


def test_iterations_bear_the_transfer_of_the_rows():
    X, start = scaling.rows(500, 3, 4)
    there, here = (scaling.measure_one(target, X, start, 3) for target in (CUPY, NUMPY))
    assert here.seconds_transfer is here.seconds_with_transfer is None
    assert there.seconds_transfer > 0
    point = replace(there, seconds_per_iteration=1.0, seconds_transfer=8.0, iterations=4)
    assert point.seconds_with_transfer == 3.0
    table = " ".join(scaling.rows_table([point, here]).split())
    assert "| cupy GPU, with transfer | 3.00 s |" in table
    assert "numpy CPU, with transfer" not in table
    assert there.inertia == here.inertia


def test_rows_do_not_depend_on_the_threads(monkeypatch):
    monkeypatch.setattr(scaling, "DRAWN", 64)
    drawn = []
    for threads in (1, 3):
        monkeypatch.setattr(scaling, "thread_count", lambda threads=threads: threads)
        X, start = scaling.rows(1_000, 5, 2)
        assert start.tolist() == X[:2].tolist()
        drawn.append(X)
    np.testing.assert_array_equal(*drawn)
    assert len(np.unique(drawn[0])) > 4_900


def test_peers_on_gpus_take_part_where_ours_does():
    race = replace(
        RACES["lloyd"],
        entries=(Entry("kmeans_xp", _answer),),
        gpu_entries=(Entry("brute", _answer),),
    )
    on_gpu, on_host = (peers.entries_of(race, [target], ()) for target in (CUPY, NUMPY))
    assert [entry.name for entry in on_gpu] == ["kmeans_xp", "kmeans_xp cupy GPU", "brute"]
    assert [entry.name for entry in on_host] == ["kmeans_xp", "kmeans_xp numpy CPU"]


def test_sets_that_fill_a_gpu(monkeypatch, capsys):
    plans = []
    monkeypatch.setattr(peers, "run", plans.append)
    words = ["peers", "--gpu", "--on", "numpy", "--races", "lloyd", "seeding", "soft"]
    assert main(words) == 0
    races = {spec: [race.name for race in races] for spec, races in plans[0].races.items()}
    assert races == {
        "normal:1000000x128@1000": ["lloyd"],
        "blobs:1000000x16@64": ["lloyd"],
        "blobs:200000x16@32": ["soft"],
    }
    with pytest.raises(SystemExit):
        main(["peers", "--gpu", "--sets", "digits"])
    assert "leave out --sets" in capsys.readouterr().err


def test_ours_may_fail_on_a_device_but_not_in_silence(tmp_path):
    entries = (
        Entry("kmeans_xp", _answer),
        Entry("kmeans_xp cupy GPU", _fail, may_fail=True),
        Entry("peer", _answer),
    )
    race = Race("lloyd", "A race", entries)
    result = contest(race, load("blobs:100x3@4"), entries, Settings(rounds=2))
    assert [len(score.seconds) for score in result.scores] == [2, 0, 2]
    plan = peers.Plan(
        races={"blobs:100x3@4": [race]},
        settings=Settings(rounds=1),
        targets=(),
        only=(),
        skip_missing=False,
        command="peers",
        name="small",
        folder=tmp_path,
    )
    with pytest.raises(RuntimeError, match=r"kmeans_xp cupy GPU, A race: .*no such library"):
        peers.run(plan)
    assert "OSError: no such library" in (tmp_path / "small.md").read_text()


def test_torch_by_brute_force_finds_what_ours_finds(monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.setattr(torch_brute, "ENTRIES", 5 * 700)  # three blocks
    problem = replace(pose(load("blobs:2000x4@5"), seed=1, tol=0.0, max_iter=6), iterations=6)
    theirs, ours = (
        INERTIA.judge(problem.X, prepare(problem)())
        for prepare in (torch_brute.lloyd, RACES["lloyd"].entries[0].prepare)
    )
    assert theirs.quality == pytest.approx(ours.quality, rel=1e-6)
    assert theirs.mismatches <= 2


def test_a_summary_sets_peers_beside_ours_where_that_is_fastest():
    scores = [
        Score("kmeans_xp", is_ours=True, seconds=[2.0], qualities=[1.0]),
        Score("kmeans_xp cupy GPU", is_ours=True, seconds=[0.5], qualities=[1.0]),
        Score("kmeans_xp without Numba", is_ours=True, seconds=[0.1], qualities=[1.0]),
        Score("kmeans_xp torch GPU", is_ours=True, failure="no room"),
        Score("peer", is_ours=False, seconds=[1.0], qualities=[1.0]),
    ]
    result = Result(RACES["lloyd"], load("blobs:100x3@4"), scores)
    assert result.fastest_ours is scores[1]
    assert peers.as_json(result)["speed_up"] == 2.0
    assert "| 500 ms cupy GPU |         peer |   1.00 s |    2.00" in peers.summary([result])
