"""How rows are remembered while they are seeded: by features, centres, and what bytes exclude."""

import numpy as np
import pytest

from kmeans_xp.kernels.choose import seeding as choose_seeding
from kmeans_xp.kernels.choose.loading import Loader
from kmeans_xp.kernels.choose.seeding import Seeding, find_potential, find_seeder
from kmeans_xp.kernels.numpy.engine import NUMPY
from kmeans_xp.kernels.numpy.seeding import ProductPotential
from kmeans_xp.kernels.portable.engine import PORTABLE
from kmeans_xp.kernels.portable.seeding import ComputedPotential, RememberedPotential
from kmeans_xp.rows import open_rows
from tests.data import cloud
from tests.kernels.problems import correlated


@pytest.fixture(autouse=True)
def _no_few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let few rows stand for many."""
    monkeypatch.setattr(choose_seeding, "ONE_PRODUCT", 0)


def _of(X: np.ndarray, k: int = 60, weights: np.ndarray | None = None) -> Seeding:
    # As weights have it, of which the rows that overflow have none to speak of.
    variance = float(np.median(X.var(axis=1, dtype=np.float64)))
    return Seeding(open_rows(X), weights, k, 5, X.mean(axis=0), variance)


def _found(X: np.ndarray, k: int = 60, weights: np.ndarray | None = None) -> str:
    seeder = find_seeder(_of(X, k, weights))
    basis = getattr(seeder, "basis", None)
    return type(seeder).__name__ + ("" if basis is None else " with a basis")


@pytest.fixture
def _compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numba")
    monkeypatch.setattr(Loader, "loads", lambda *_: True)
    monkeypatch.setattr(choose_seeding, "SAMPLE", 224)


@pytest.fixture
def _plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Loader, "loads", lambda *_: False)


@pytest.mark.usefixtures("_compiled")
def test_few_features_are_taken_sixteen_rows_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    X = cloud(700, 64).astype(np.float32)
    assert _found(X) == "LowDSeeder"
    # Neither in double precision, nor with weights of any size.
    assert _found(X.astype(np.float64)) != "LowDSeeder"
    assert _found(X, weights=np.ones(700)) != "LowDSeeder"
    assert _found(cloud(700, 97).astype(np.float32)) != "LowDSeeder"
    monkeypatch.setattr(choose_seeding, "SMALL", 0)
    assert _found(X) != "LowDSeeder"
    assert _found(cloud(700, 32).astype(np.float32)) == "LowDSeeder"


@pytest.mark.usefixtures("_compiled")
def test_bytes_are_taken_where_they_exclude_most() -> None:
    X = cloud(224, 128).astype(np.float32)
    assert _found(X) == _found(np.asfortranarray(X)) == "QuantisedSeeder"
    halves = X.copy()
    halves[::2] += 1e4  # Beside which bytes do not see what is within a half.
    assert _found(halves) == "SketchSeeder"


def test_few_rows_are_looked_at_only_where_bytes_are_worth_loading(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("numba")
    monkeypatch.setattr(choose_seeding, "SAMPLE", 224)
    X, looks = cloud(224, 128).astype(np.float32), []
    monkeypatch.setattr(choose_seeding, "candidate_share", lambda *_: looks.append(1) or 0.0)
    for worthwhile in (False, True):
        monkeypatch.setattr(Loader, "loads", lambda *_, answer=worthwhile: answer)
        assert _found(X) == ("QuantisedSeeder" if worthwhile else "SketchSeeder")
        assert len(looks) == worthwhile


@pytest.mark.usefixtures("_plain")
def test_many_features_are_projected_where_centres_are_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    X = correlated(300, 64)
    assert _found(X) == "SketchSeeder"
    monkeypatch.setattr(choose_seeding, "SMALL", 0)
    assert _found(X) == "SketchSeeder with a basis"
    assert _found(correlated(300, 23)) == "SketchSeeder"
    assert find_seeder(_of(X, k=15)) is None
    monkeypatch.setattr(choose_seeding, "ENTRIES", 300)
    assert find_seeder(_of(X)) is None


@pytest.mark.usefixtures("_plain")
def test_what_cannot_be_remembered_is_computed() -> None:
    X = cloud(300, 5)
    assert isinstance(find_potential(_of(X), NUMPY, 0), RememberedPotential)
    overflows = np.where(np.arange(300) == 7, 1e30, 1)[:, None] * X
    single = _of(overflows.astype(np.float32), weights=np.where(np.arange(300) == 7, 1e-60, 1))
    computed = (
        find_potential(_of(X), PORTABLE, 0),
        find_potential(_of(1e-18 * X), NUMPY, 0),
        find_potential(_of(1e18 * X), NUMPY, 0),
        find_potential(single, NUMPY, 0),
    )
    for potential in computed:
        assert isinstance(potential, ComputedPotential)


def test_few_rows_are_compared_by_one_product(monkeypatch: pytest.MonkeyPatch) -> None:
    X = cloud(300, 5)
    monkeypatch.setattr(choose_seeding, "ONE_PRODUCT", 300 * (5 + 5))
    assert isinstance(find_potential(_of(X), NUMPY, 0), ProductPotential)
    assert isinstance(find_potential(_of(cloud(301, 5)), NUMPY, 0), RememberedPotential)
    # Neither on other engines, nor where single precision has not the range for others' potential.
    assert isinstance(find_potential(_of(X), PORTABLE, 0), ComputedPotential)
    assert isinstance(find_potential(_of(1e-18 * X), NUMPY, 0), ComputedPotential)


def test_the_potential_takes_half_the_memory_where_single_precision_has_the_range() -> None:
    X = cloud(300, 5)
    assert _of(X).dtype == np.float32
    for seeding in (_of(X, weights=np.ones(300)), _of(1e-18 * X), _of(1e18 * X)):
        assert seeding.dtype == np.float64
