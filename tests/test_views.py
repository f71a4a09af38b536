"""Arrays of PyTorch and JAX are seen as NumPy's, or CuPy's: the same bits, and results at home."""

import dataclasses
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from array_api_compat import is_numpy_namespace
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator

from kmeans_xp import (
    KMeans,
    KMedoids,
    MiniBatchKMeans,
    assign,
    bisecting_kmeans,
    choose_k,
    explain,
    gaussian_mixture,
    kmeans,
    kmedoids,
    medoid_silhouette,
    minibatch_kmeans,
    nearest_neighbors,
    silhouette_samples,
    soft_kmeans,
    spectral_clustering,
)
from kmeans_xp.arrays import views
from kmeans_xp.arrays.namespace import is_sparse
from kmeans_xp.arrays.sparse import to_host_matrix
from kmeans_xp.rows.memory import ArrayRows
from kmeans_xp.rows.numpy import NumpyRows
from tests.backends import Backend, find
from tests.callers import (
    ALGORITHMS,
    GOOD,
    OF_A_GLANCE,
    OF_A_START,
    OF_CENTERS,
    OF_LABELS,
    OF_ROWS,
    OF_WEIGHTS,
)
from tests.data import cloud
from tests.processes import run_measured
from tests.test_mixed import CALLS, HOST

X = cloud(120, 3, seed=2)
LABELS = np.arange(12) % 3
WEIGHTS = GOOD[:, 0] ** 2 + 1
# Parts of results that are on the host wherever X is.
ON_HOST = (".profile", ".means.", ".tree.", ".tree_.")


@pytest.fixture(params=["torch", "jax"])
def home(request):
    """A library whose arrays are seen as NumPy's."""
    found = find(request.param, {"torch": "cpu", "jax": "default"}[request.param])
    if not isinstance(found, Backend) or not is_numpy_namespace(found.blocks):
        pytest.skip(f"{request.param} is not here on a CPU: {found}")
    return found


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


@pytest.fixture
def in_cupy(monkeypatch, torch, stand_in):
    """PyTorch on a CPU, whose tensors are seen as arrays of CuPy's stand-in."""
    import cupy

    class OnCuda(views._TorchOnCuda):
        def context(self):
            return cupy.cuda.Device(self.number)

    monkeypatch.setattr(views, "_view_of_torch", OnCuda)
    return find("torch", "cpu")


def leaves(value, path=""):
    """What a result or a model holds that the user sees, by its place."""
    if isinstance(value, BaseEstimator) or dataclasses.is_dataclass(value):
        value = {name: part for name, part in vars(value).items() if not name.startswith("_")}
        value.pop("seconds", None)
    if isinstance(value, dict):
        parts = value.items()
    elif isinstance(value, tuple | list):
        parts = enumerate(value)
    else:
        yield path, value
        return
    for name, part in parts:
        yield from leaves(part, f"{path}.{name}")


def assert_like_numpy(home, ours, theirs):
    """Assert that all arrays are at home, but for those that are always on the host."""
    pairs = list(zip(leaves(ours), leaves(theirs), strict=True))
    assert pairs
    for (path, here), (_, there) in pairs:
        if isinstance(there, np.ndarray) and not path.startswith(ON_HOST):
            assert home.owns(here), path
            assert home.dtype(here) == home.dtype(there), path
            assert_array_equal(home.to_numpy(here), there, err_msg=path)
        elif is_sparse(there):
            assert home.name == "jax" or home.owns(here.values())
            if home.name != "jax":
                assert_array_equal(to_host_matrix(here).toarray(), there.toarray())
        else:
            assert type(here) is type(there), path
            assert_array_equal(here, there, err_msg=path)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", [*OF_ROWS, *OF_A_GLANCE])
def test_every_function_gives_numpys_bits_at_home(home, name, dtype):
    call, rows = (OF_ROWS | OF_A_GLANCE)[name], GOOD.astype(dtype)
    ours, theirs = call(home.asarray(rows, dtype)), call(rows)
    if name in OF_A_GLANCE:
        assert "seen as a NumPy array" in ours
        ours = ours.replace(ours.partition(f"{dtype}, ")[2].partition("NumPy array")[0], "")
    assert_like_numpy(home, ours, theirs)


@pytest.mark.parametrize("name", OF_WEIGHTS)
def test_weights_are_seen_too(home, name):
    call = OF_WEIGHTS[name]
    ours = call(home.asarray(GOOD), home.asarray(WEIGHTS))
    assert_like_numpy(home, ours, call(GOOD, WEIGHTS))


@pytest.mark.parametrize("name", OF_CENTERS)
def test_centers_are_seen_too(home, name):
    call = OF_CENTERS[name]
    ours = call(home.asarray(GOOD), home.asarray(GOOD[:2]))
    assert_like_numpy(home, ours, call(GOOD, GOOD[:2]))


@pytest.mark.parametrize("name", OF_LABELS)
def test_labels_are_seen_too(home, name):
    call = OF_LABELS[name]
    assert_like_numpy(home, call(home.asarray(GOOD), home.asarray(LABELS)), call(GOOD, LABELS))


# Mini-batches are drawn here without a seed.
@pytest.mark.parametrize(
    "name", [name for name in OF_A_START if not name.lower().startswith("mini")]
)
def test_starts_are_seen_too(home, name):
    call = OF_A_START[name]
    ours, theirs = call(home.asarray(GOOD), home.asarray(GOOD[:2])), call(GOOD, GOOD[:2])
    if isinstance(theirs, BaseEstimator):  # A parameter is what the user passed.
        ours.init = theirs.init = None
    assert_like_numpy(home, ours, theirs)


# What takes more beside X: below.
ALONE = [
    name
    for name in [*OF_ROWS, *OF_A_GLANCE]
    if name.partition(" ")[0] not in (*OF_CENTERS, *OF_LABELS) and name != "kmeans from a start"
]


@pytest.mark.parametrize("name", ALONE)
def test_every_function_gives_cupys_arrays_back(in_cupy, name):
    call = (OF_ROWS | OF_A_GLANCE)[name]
    for path, value in leaves(call(in_cupy.asarray(GOOD))):
        assert type(value).__module__.partition(".")[0] != "cupy", path
        host = isinstance(value, np.ndarray)
        assert not host or path.startswith(ON_HOST), path


def test_what_is_beside_x_becomes_cupys(in_cupy):
    rows, centers, labels, weights = map(in_cupy.asarray, (GOOD, GOOD[:2], LABELS, WEIGHTS))
    for call in OF_CENTERS.values():
        if call is not OF_CENTERS["inertia of labels"]:
            call(rows, centers)
    for call in OF_LABELS.values():
        call(rows, labels)
    result = kmeans(rows, 2, sample_weight=weights, rng=0)
    assert result.kernel == "portable"
    assert in_cupy.owns(result.labels)
    hosts = kmeans(rows, 2, sample_weight=WEIGHTS, rng=0)
    assert in_cupy.owns(hosts.labels)
    assert_array_equal(in_cupy.to_numpy(hosts.labels), in_cupy.to_numpy(result.labels))


def test_cupy_works_on_the_stream_and_device_of_pytorch(torch, stand_in):
    import cupy

    entered = []

    class Switch:
        def __init__(self, device):
            self.device = device

        def __enter__(self):
            entered.append(self.device)

        def __exit__(self, *_):
            entered.append("left")

    for pointer in (0, 1234):
        view = object.__new__(views._TorchOnCuda)
        view.cupy, view.device, view.number = cupy, "cuda:1", 1
        stream = SimpleNamespace(cuda_stream=pointer)
        cuda = SimpleNamespace(current_stream=lambda _, stream=stream: stream, device=Switch)
        view.xp = SimpleNamespace(cuda=cuda)
        with view.context():
            assert cupy.cuda.get_current_stream().ptr == pointer
            assert cupy.cuda.Device().id == 1
        assert cupy.cuda.get_current_stream() is cupy.cuda.Stream.null
        assert cupy.cuda.Device().id == 0
    assert entered == ["cuda:1", "left"] * 2


def test_what_cupy_computes_for_jax_is_waited_for(stand_in):
    jax = find("jax", "default")
    if not isinstance(jax, Backend):
        pytest.skip(jax)
    view = views._JaxOnCuda(jax.asarray(GOOD))
    with stand_in.counted() as counts, view.context():
        seen = view.seen(jax.asarray(GOOD))
        back = view.back(seen.T * 2)
        assert not counts.synchronizations
    assert counts.synchronized["Stream.synchronize"] == 1
    assert jax.owns(back)
    assert_array_equal(np.asarray(back), 2 * GOOD.T)


def pointer_of(array):
    if isinstance(array, np.ndarray):
        return array.ctypes.data
    return array.data_ptr() if hasattr(array, "data_ptr") else array.unsafe_buffer_pointer()


def test_rows_are_seen_where_they_are(home):
    rows = home.asarray(X)
    seen = views.view_beside(rows).seen(rows)
    assert pointer_of(seen) == pointer_of(rows)
    assert seen.strides == X.strides


def test_tensors_of_any_strides_are_seen_where_they_are(torch):
    rows = torch.from_numpy(X.copy())
    for some in (rows.T.contiguous().T, rows[::2, 1:], rows[:1].expand(50, 3)):
        seen = views.view_beside(some).seen(some)
        assert pointer_of(seen) == pointer_of(some)
        assert tuple(s // seen.itemsize for s in seen.strides) == some.stride()
    for some in (rows.T.contiguous().T, rows[::2, 1:]):
        assert_array_equal(kmeans(some, 3, rng=0).labels, kmeans(some.numpy(), 3, rng=0).labels)


def test_results_come_back_where_they_are(home):
    room = np.empty(1000 + 16, np.float32)
    aligned = room[(-room.ctypes.data % 64) // 4 :][:1000].reshape(10, 100)
    aligned[...] = 1.0
    back = views.view_beside(home.asarray(X)).back(aligned)
    assert home.owns(back)
    assert pointer_of(back) == pointer_of(aligned)


def test_rows_of_several_blocks_come_back_as_jax_arrays_where_they_are():
    jax = find("jax", "default")
    if not isinstance(jax, Backend):
        pytest.skip(jax)
    rows = NumpyRows(np.zeros((1000, 1)))
    (kept,) = rows.map(lambda block: (block + 1,), block_rows=100)
    assert pointer_of(views.view_beside(jax.asarray(X)).back(kept)) == pointer_of(kept)


def test_results_that_tensors_cannot_be_are_copied(torch):
    view = views.view_beside(torch.from_numpy(X.copy()))
    locked = X.copy()
    locked.flags.writeable = False
    for array in (X[::-1], X[:, ::-1], locked, np.broadcast_to(X[0], (4, 3))):
        assert_array_equal(view.back(array).numpy(), array)
    view.back(locked)[...] = 0
    assert locked.any()


GROWTH = """
import numpy as np
import torch
from kmeans_xp import kmeans
rows = np.random.default_rng(0).standard_normal((1_000_000, 8), dtype=np.float32)
X, start = {make}(rows), {make}(rows[:4].copy())
kmeans(X[:5000], 4, init=start, max_iter=2)
measure()
result = kmeans(X, 4, init=start, max_iter=2)
report()
"""


def test_a_fit_of_a_tensor_takes_the_memory_of_a_fit_of_an_array(torch):
    theirs, ours = (run_measured(GROWTH.format(make=m)) for m in ("np.asarray", "torch.from_numpy"))
    assert ours < theirs + 8  # Rows take 32.


def test_autograd_is_cut(torch):
    rows = torch.from_numpy(X.copy()).requires_grad_()
    start = rows[:3] * 1.0
    assert start.grad_fn is not None
    for found in (kmeans(rows, 3, init=start), kmeans(rows, 3, init=lambda *_: start)):
        assert not found.centers.requires_grad
        assert_array_equal(found.centers.numpy(), kmeans(X, 3, init=X[:3]).centers)
    assert rows.requires_grad
    assert rows.grad is None
    parameter = torch.nn.Parameter(torch.from_numpy(X.copy()))
    assert type(KMeans(3, random_state=0).fit(parameter).predict(parameter)) is torch.Tensor


def test_negative_bits_are_resolved(torch):
    rows = torch.from_numpy(X + 1j * X).conj().imag
    assert rows.is_neg()
    assert_array_equal(kmeans(rows, 3, rng=0).centers.numpy(), kmeans(-X, 3, rng=0).centers)


def test_floats_that_numpy_has_not_become_float32(home):
    rows = home.xp.astype(home.asarray(X), home.xp.bfloat16)
    weights = home.xp.astype(home.asarray(np.ones(120)), home.xp.bfloat16)
    wide = home.to_numpy(home.xp.astype(rows, home.xp.float32))
    for ours, theirs in (
        (kmeans(rows, 3, rng=0, sample_weight=weights), kmeans(wide, 3, rng=0)),
        (KMeans(3, random_state=0).fit(rows), KMeans(3, random_state=0).fit(wide)),
        (KMeans(3, random_state=0).fit(X).transform(rows),
         KMeans(3, random_state=0).fit(X).transform(wide)),
    ):  # fmt: skip
        assert_like_numpy(home, ours, theirs)


def test_integers_are_computed_in_the_default_float_of_their_library(home):
    whole = np.round(10 * X).astype(np.int16)
    rows, same = home.asarray(whole), NumpyRows(whole, np.dtype(home.default_float))
    shown = []

    def init(given, k, rng):
        shown.append(given)
        return given[:k, ...]

    for call in (
        lambda X: kmeans(X, 3, init=whole[:3].tolist()),
        lambda X: gaussian_mixture(X, 2, rng=0),
        lambda X: choose_k(X, [1, 2], rng=0),
        lambda X: kmedoids(X, 2, rng=0),
        lambda X: bisecting_kmeans(X, 3, rng=0),
        lambda X: spectral_clustering(X, 2, rng=0),
    ):
        assert_like_numpy(home, call(rows), call(same))
    model = KMeans(3, init=init, n_init=2).fit(rows)
    assert all(given is rows for given in shown)
    for found in (model.cluster_centers_, model.transform(rows)):
        assert home.dtype(found) == home.default_float


@pytest.mark.parametrize("case", CALLS)
def test_numpy_arrays_go_with_rows_of_the_same_host(home, case):
    _, host, call = CALLS[case]
    rows = home.asarray(HOST)
    given = np.asarray(host, rows.dtype if home.name == "jax" and host.ndim > 1 else None)
    ours, theirs = call(rows, given), call(HOST, host)
    assert len(list(leaves(ours))) == len(list(leaves(theirs)))


@pytest.mark.parametrize("case", CALLS)
def test_arrays_from_elsewhere_are_refused_in_the_same_words(home, case):
    strict = pytest.importorskip("array_api_strict")
    _, host, call = CALLS[case]
    rows, other = home.asarray(HOST), strict.asarray(host)
    said = []
    for switch in (views.without_views, views.nullcontext):
        with switch(), pytest.raises(TypeError, match="namespace of X") as caught:
            call(rows, other)
        said.append(str(caught.value))
    assert said[0] == said[1]


def owned(home, *arrays):
    assert arrays
    assert all(home.owns(array) for array in arrays)


STARTED = {fit.__name__: fit for fit in (kmeans, minibatch_kmeans, bisecting_kmeans, soft_kmeans)}


@pytest.mark.parametrize("name", STARTED)
def test_a_start_gets_arrays_of_the_users_library(home, name):
    rows, seen = home.asarray(X), []

    def init(given, k, rng):
        owned(home, given)
        seen.append(given)
        return given[:k, ...]

    fit = STARTED[name]
    ours, theirs = fit(rows, 3, init=init, rng=0), fit(X, 3, init=lambda a, k, _: a[:k], rng=0)
    assert_like_numpy(home, ours, theirs)
    assert fit not in (kmeans, soft_kmeans) or seen[0] is rows
    listed = fit(rows, 2, init=lambda a, k, _: X[:k].tolist(), rng=0)
    assert home.owns(listed.labels)


@pytest.mark.parametrize("fit", ALGORITHMS, ids=lambda f: f.__name__)
def test_a_callback_gets_arrays_of_the_users_library(home, fit):
    seen = []

    def stop(iteration):
        seen.extend(v for _, v in leaves(iteration) if hasattr(v, "shape"))
        return home.asarray(True)

    result = fit(home.asarray(X), 3, rng=0, callback=stop)
    owned(home, *seen)
    assert len(seen) == result.n_iter == 1


def test_a_callback_may_return_anything_that_is_true_or_false(home):
    strict = pytest.importorskip("array_api_strict")
    for said in (strict.asarray(True), np.True_, "yes"):
        assert kmeans(home.asarray(X), 3, rng=0, callback=lambda _, s=said: s).n_iter == 1


def test_distances_and_affinities_get_arrays_of_the_users_library(home):
    xp, rows = home.xp, home.asarray(X)

    def apart(a, b):
        owned(home, a, b)
        return xp.sum(xp.abs(a[:, None, :] - b[None, ...]), axis=-1)

    def alike(a, b):
        return xp.exp(-apart(a, b))

    labels, medoids = home.asarray(np.arange(120) % 3), home.asarray([0, 1, 2])
    named = kmedoids(X, 3, metric="manhattan", rng=0)
    ours = kmedoids(rows, 3, metric=apart, rng=0)
    assert_array_equal(home.to_numpy(ours.labels), named.labels)
    model = KMedoids(3, metric=apart, random_state=0).fit(rows)
    owned(home, model.predict(rows), model.transform(rows))
    assert model.score(rows) <= 0
    owned(home, silhouette_samples(rows, labels, metric=apart))
    assert 0 <= medoid_silhouette(rows, medoids, metric=apart) <= 1
    owned(home, spectral_clustering(rows, 3, affinity=alike, rng=0).labels)
    found = choose_k(rows, [1, 2], algorithm="kmedoids", options={"metric": apart}, rng=0)
    owned(home, found.results[0].labels)


def test_what_a_distance_returns_is_named_where_it_is_wrong(home):
    with pytest.raises(ValueError, match=r"metric must return .* like those it gets"):
        kmedoids(home.asarray(X), 3, metric=lambda a, b: a, rng=0)
    with pytest.raises(ValueError, match="the array that init returns must have the shape"):
        kmeans(home.asarray(X), 3, init=lambda a, k, rng: a)


PORTABLE = {
    "kmeans": lambda X: kmeans(X, 3, algorithm="portable", rng=0).kernel,
    "minibatch_kmeans": lambda X: minibatch_kmeans(X, 3, algorithm="portable", rng=0).kernel,
    "bisecting_kmeans": lambda X: bisecting_kmeans(X, 3, algorithm="portable", rng=0).kernel,
    "kmedoids": lambda X: kmedoids(X, 3, algorithm="portable", rng=0).kernel,
    "spectral_clustering": lambda X: spectral_clustering(X, 2, algorithm="portable", rng=0).kernel,
    "KMeans": lambda X: KMeans(3, algorithm="portable", random_state=0).fit(X).kernel_,
    "partial_fit": lambda X: MiniBatchKMeans(3, algorithm="portable").partial_fit(X).kernel_,
    "choose_k": lambda X: choose_k(
        X, [1, 2], options={"algorithm": "portable"}, criteria=["elbow", "davies_bouldin"], rng=0
    ).results[0].kernel,
    "nearest_neighbors": lambda X: nearest_neighbors(X, 3, algorithm="portable") and "portable",
    "explain": lambda X: explain(X, 3, algorithm="portable").partition("kernel")[2].split()[0],
}  # fmt: skip


@pytest.mark.parametrize("name", PORTABLE)
def test_what_is_portable_computes_in_the_users_library(torch, name, monkeypatch):
    libraries = set()
    for kind in (ArrayRows, NumpyRows):

        def init(self, rows, *args, opened=kind.__init__, **kwargs):
            libraries.add(type(rows))
            opened(self, rows, *args, **kwargs)

        monkeypatch.setattr(kind, "__init__", init)
    assert PORTABLE[name](torch.from_numpy(X.copy())) == "portable"
    assert libraries == {torch.Tensor}


def test_arguments_that_there_are_not_are_refused(home):
    rows = home.asarray(GOOD)
    with pytest.raises(TypeError, match="positional arguments"):
        kmeans(rows, 3, "k-means++")
    with pytest.raises(TypeError, match="positional arguments"):
        assign(rows, rows[:2, ...], None)
    with pytest.raises(TypeError, match="unexpected keyword argument"):
        kmeans(rows, 3, kind="full")
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'n_clusters'"):
        kmeans(X=rows)
    assert kmeans(X=rows, n_clusters=3, rng=0).kernel == kmeans(rows, 3, rng=0).kernel


def test_views_are_switched_off_where_that_is_asked_for(torch):
    rows = torch.from_numpy(X.copy())
    with views.without_views():
        assert kmeans(rows, 3, rng=0).kernel == "portable"
    assert kmeans(rows, 3, rng=0).kernel != "portable"


def test_tensors_without_values_are_refused(torch):
    rows = torch.from_numpy(X.copy())
    with pytest.warns(UserWarning, match="quantize"):
        quantized = torch.quantize_per_tensor(rows.float(), 0.1, 0, torch.qint8)
    refused = {
        "dense tensor, got a sparse_coo": rows.to_sparse(),
        "dense tensor, got a sparse_csr": rows.to_sparse_csr(),
        "dense tensor, got a nested": torch.nested.nested_tensor(
            [rows, rows[:3]], layout=torch.jagged
        ),
        "plain numbers": quantized,
        "hold values, got a tensor": rows.to("meta"),
    }
    for algorithm in ("auto", "portable"):
        for said, bad in refused.items():
            with pytest.raises(TypeError, match=f"^X must .*{said}"):
                kmeans(bad, 3, rng=0, algorithm=algorithm)
        for transform in (torch.func.vmap, torch.func.grad):
            with pytest.raises(TypeError, match=r"^X must hold values.*outside"):
                transform(lambda a, how=algorithm: kmeans(a, 3, algorithm=how).centers)(rows[None])
    with pytest.raises(TypeError, match=r"^sample_weight must hold values"):
        kmeans(rows, 3, rng=0, sample_weight=torch.ones(120, device="meta"))
    with pytest.raises(TypeError, match=r"^init must be a dense tensor"):
        kmeans(rows, 3, init=rows[:3].to_sparse())


def test_tracers_are_refused():
    jax = pytest.importorskip("jax")
    rows = jax.numpy.asarray(X)
    for algorithm in ("auto", "portable"):
        for transform in (jax.jit, jax.vmap, jax.grad):
            with pytest.raises(TypeError, match=r"^X must hold values.*outside of jax.jit"):
                transform(lambda a, how=algorithm: kmeans(a, 3, algorithm=how).inertia)(rows)
    with pytest.raises(TypeError, match=r"^sample_weight must hold values"):
        jax.jit(lambda w: kmeans(rows, 3, sample_weight=w).inertia)(jax.numpy.ones(120))


def run(program, **environment):
    """Run a program in which every warning is an error."""
    command = [sys.executable, "-W", "error", "-c", program]
    import os

    env = os.environ | environment
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


SEVERAL_DEVICES = """
import jax
import numpy as np
from kmeans_xp import KMeans, kmeans
host = np.random.default_rng(0).standard_normal((40, 3)).astype(np.float32)
first, second = jax.devices()
X, w = jax.device_put(host, second), jax.device_put(np.ones(40, np.float32), first)
assert kmeans(X, 3, rng=0).labels.device == second
assert KMeans(3, random_state=0).fit(host).transform(X).device == second
spread = jax.sharding.NamedSharding(jax.make_mesh((2,), ("rows",)), jax.P("rows"))
for bad, weights, said in (
    (jax.device_put(host, spread), None, "X must be on one device, got a JAX array on 2"),
    (X, jax.device_put(w, spread), "sample_weight must be on one device, got a JAX array on 2"),
    (X, w, "sample_weight must be on the device of X"),
):
    try:
        kmeans(bad, 3, sample_weight=weights)
    except (TypeError, ValueError) as error:
        assert str(error).startswith(said), error
    else:
        raise AssertionError(said)
print("fine")
"""


def test_jax_arrays_on_several_devices():
    pytest.importorskip("jax")
    assert run(SEVERAL_DEVICES, XLA_FLAGS="--xla_force_host_platform_device_count=2") == "fine"


WITHOUT_64_BITS = """
import jax
import numpy as np
import kmeans_xp
from kmeans_xp import GaussianMixture, MiniBatchKMeans, gaussian_mixture, kmeans, kmedoids
host = np.random.default_rng(0).standard_normal((60, 3))
for X in (jax.numpy.asarray(host), jax.numpy.asarray(np.round(10 * host).astype(int))):
    same = np.asarray(X, np.float32)
    ours, theirs = kmeans(X, 3, rng=0), kmeans(same, 3, rng=0)
    assert np.array_equal(ours.centers, theirs.centers) and ours.inertia == theirs.inertia
    assert ours.centers.dtype == "float32"
    assert ours.labels.dtype == ours.sizes.dtype == "int32"
    weights = jax.numpy.ones(60)
    assert gaussian_mixture(X, 2, rng=0, sample_weight=weights).means.dtype == "float32"
    assert kmedoids(X, 2, rng=0).medoid_indices.dtype == "int32"
    assert kmeans_xp.nearest_neighbors(X, 3)[0].dtype == "int32"
    assert kmeans_xp.spectral_clustering(X, 2, affinity="rbf", rng=0).eigenvalues.dtype == "float32"
    model = GaussianMixture(2, random_state=0).fit(X)
    assert model.predict_proba(X).dtype == "float32" and model.score(X) < 0
    batches = MiniBatchKMeans(3, random_state=0).fit(X).partial_fit(X)
    assert batches.cluster_centers_.dtype == "float32" and batches._means.centers.dtype == "float64"
    found = kmeans_xp.choose_k(X, [1, 2, 3], rng=0)
    assert isinstance(found.results[0].centers, jax.Array)
print("fine")
"""


def test_jax_without_64_bits_narrows_without_a_word():
    pytest.importorskip("jax")
    assert run(WITHOUT_64_BITS) == "fine"
