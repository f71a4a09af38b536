"""The stand-in for CuPy does as CuPy does, and counts what it says that it counts.

On a GPU box those tests that take no `stand_in` run on CuPy itself, and so hold the others to it.
"""

import copy
import pickle
import subprocess
import sys
import threading
from pathlib import Path

import array_api_compat
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

cupy = pytest.importorskip("cupy")

HOST = np.arange(12, dtype=np.float32).reshape(4, 3)
ONE = np.ones(3, dtype=np.float32)


@pytest.fixture
def x():
    return cupy.asarray(HOST)


@pytest.fixture
def elsewhere():
    if cupy.cuda.runtime.getDeviceCount() < 2:
        pytest.skip("there is one GPU only")
    with cupy.cuda.Device(1):
        return cupy.asarray(HOST)


OWNERS = {
    "cupy": cupy,
    "cupy.ndarray": cupy.ndarray,
    "cupy.ufunc": cupy.ufunc,
    "cupy.cuda": cupy.cuda,
    "cupy.cuda.runtime": cupy.cuda.runtime,
    "cupy.cuda.Device": cupy.cuda.Device,
    "cupy.cuda.Event": cupy.cuda.Event,
    "cupy.cuda.MemoryPool": cupy.cuda.MemoryPool,
    "cupy.cuda.Stream": cupy.cuda.Stream,
}
OF_ITS_OWN = {"counts", "DEVICES", "TOTAL", "used", "Any", "threading"}


@pytest.mark.parametrize("name", OWNERS)
def test_it_has_no_name_that_cupy_has_not(stand_in, name):
    from cupy._record import RECORD

    names = {n for n in vars(OWNERS[name]) if not n.startswith("_")}
    assert names - OF_ITS_OWN <= set(RECORD["has"][name].split())


def test_array_api_compat_takes_it_for_cupy(x, elsewhere):
    xp = array_api_compat.array_namespace(x)
    assert xp.__name__ == "array_api_compat.cupy"
    assert array_api_compat.is_cupy_array(x)
    assert array_api_compat.is_cupy_namespace(xp)
    assert not array_api_compat.is_numpy_array(x)
    assert array_api_compat.device(x) == cupy.cuda.Device(0)
    assert array_api_compat.device(elsewhere) == cupy.cuda.Device(1)
    moved = array_api_compat.to_device(x, cupy.cuda.Device(1))
    assert array_api_compat.device(moved) == cupy.cuda.Device(1)
    assert_array_equal(array_api_compat.to_device(moved, "cpu"), HOST)


REFUSED = {
    "a conversion to NumPy": lambda x: np.asarray(x),
    "a NumPy array in an operator": lambda x: x + ONE,
    "a NumPy array before an operator": lambda x: ONE + x,
    "a NumPy array in place": lambda x: x.__iadd__(ONE),
    "a NumPy array in a product": lambda x: x @ ONE,
    "a NumPy array in a ufunc": lambda x: cupy.maximum(x, ONE),
    "a NumPy array in where": lambda x: cupy.where(x > 0, ONE, x),
    "a NumPy array in a reduction": lambda x: cupy.sum(ONE),
    "a NumPy array among others": lambda x: cupy.concatenate([x[0], ONE]),
    "a list in a ufunc": lambda x: cupy.add([1.0], x),
    "a list in a reduction": lambda x: cupy.sum([1.0]),
    "a list in where": lambda x: cupy.where(x[0] > 0, [1, 2, 3], x[0]),
    "a list in a comparison": lambda x: x == [1.0],
    "None in a comparison": lambda x: x == None,  # noqa: E711
    "None in a ufunc": lambda x: cupy.add(x, None),
    "where= of a ufunc": lambda x: cupy.add(x, x, where=x > 0),
    "an unexpected keyword": lambda x: cupy.sort(x, descending=True),
    "a keyword that only NumPy has": lambda x: cupy.sum(x, initial=1.0),
    "too many arguments": lambda x: x.item(0),
    "an array as an int": lambda x: range(cupy.asarray(3)),
    "an array as a bound of a slice": lambda x: x[: cupy.asarray(2)],
    "an array as a shape": lambda x: cupy.zeros(cupy.asarray(3)),
    "an array in a shape": lambda x: cupy.reshape(x, (cupy.asarray(12),)),
    "an array in a shape of a method": lambda x: x.reshape(cupy.asarray(12)),
    "a hash": hash,
    "casting": lambda x: x.astype("f8", casting="safe"),
}


@pytest.mark.parametrize("call", REFUSED.values(), ids=REFUSED)
def test_refusals(x, call):
    with pytest.raises((TypeError, AttributeError)):
        call(x)


def test_other_refusals(x):
    with pytest.raises(TypeError, match="Implicit conversion to a NumPy array is not allowed"):
        np.asarray(x)
    with pytest.raises(ValueError, match="kind can only be None or 'stable'"):
        cupy.argsort(x, kind="quicksort")
    with pytest.raises(ValueError, match="avoid copy"):
        cupy.asarray(x, dtype=np.float64, copy=False)
    with pytest.raises(ValueError, match=r"non-scalar numpy\.ndarray cannot be used for fill"):
        x[0] = ONE
    for host in (np.array(["a"]), np.array([None]), np.zeros(1, "M8[s]")):
        with pytest.raises(ValueError, match="Unsupported dtype"):
            cupy.asarray(host)
    assert not hasattr(x, "__array_namespace__")
    assert not hasattr(cupy, "vecdot")


def test_results_are_numpys_in_value_and_dtype(x):
    found = [x + 1, x * np.float64(2), 1 / (x + 1), -x, x @ x.T, x > 3, x.sum(axis=0), cupy.std(x)]
    theirs = [HOST + 1, HOST * np.float64(2), 1 / (HOST + 1), -HOST, HOST @ HOST.T, HOST > 3]
    theirs += [HOST.sum(axis=0), np.std(HOST)]
    for ours, numpy in zip(found, theirs, strict=True):
        assert isinstance(ours, cupy.ndarray)
        assert ours.dtype == numpy.dtype
        assert_allclose(ours.get(), numpy, rtol=1e-6)


def test_elements_and_reductions_are_arrays_without_dimensions(x):
    assert x[1, 2].shape == x.max().shape == cupy.count_nonzero(x).shape == ()
    assert [float(row[0]) for row in x] == [0, 3, 6, 9]
    assert_array_equal(x[[2, 0]].get(), HOST[[2, 0]])
    assert_array_equal(x[np.array([1]), :2].get(), HOST[[1], :2])
    assert x[[]].shape == (0, 3)


def test_a_view_shares_memory_and_a_copy_does_not(x):
    view, taken = x.T[1:], x[cupy.asarray([0, 1])]
    x += 1
    assert_array_equal(view.get(), HOST.T[1:] + 1)
    assert_array_equal(taken.get(), HOST[:2])
    other = cupy.asarray(HOST)
    other[0] = 5
    assert HOST[0, 0] == 0


def test_equals_keep_their_order():
    labels = cupy.asarray(np.arange(100) % 3)
    assert_array_equal(cupy.argsort(labels).get(), np.argsort(np.arange(100) % 3, kind="stable"))


def test_division_by_zero_is_no_warning(x):
    assert cupy.isnan(x / x)[0, 0]


@pytest.mark.parametrize("name", ["pickle", "copy", "deepcopy"])
def test_copies_by_the_standard_library(x, elsewhere, name):
    make = {"pickle": lambda a: pickle.loads(pickle.dumps(a)), "copy": copy.copy}
    found = make.get(name, copy.deepcopy)(elsewhere)
    assert_array_equal(found.get(), HOST)
    assert found.device == cupy.cuda.Device(1 if name == "deepcopy" else 0)


LAUNCHED = {
    "a ufunc": (lambda x: x + 1, {"add": 1}),
    "an operator in place": (lambda x: x.__iadd__(1), {"add": 1}),
    "a reduction": (lambda x: x.sum(axis=1), {"sum": 1}),
    "a product": (lambda x: x @ x.T, {"matmul": 1}),
    "a copy": (lambda x: x.astype(np.float64), {"astype": 1}),
    "a selection": (lambda x: cupy.take(x, x[:, 0].astype(int) // 3, axis=0), {"astype": 1,
                    "floor_divide": 1, "take": 1}),
    "an assignment": (lambda x: x.__setitem__(0, 1.0), {"setitem": 1}),
    "a filled array": (lambda x: cupy.zeros(3), {"zeros": 1}),
    "a number": (lambda x: cupy.asarray(1.0), {"fill": 1}),
    "a sort": (lambda x: cupy.argsort(x), {"argsort": 2}),
    "an empty array": (lambda x: cupy.empty(3), {}),
    "no elements": (lambda x: cupy.zeros((0, 3)) + 1, {}),
    "no cast": (lambda x: x.astype(np.float32, copy=False), {}),
    "a slice": (lambda x: x[1:, None], {}),
    "an element": (lambda x: x[0, 0], {}),
    "a transpose": (lambda x: x.T, {}),
    "a reshape": (lambda x: cupy.reshape(x, (3, 4)), {}),
    "a broadcast": (lambda x: cupy.broadcast_to(x, (2, 4, 3)), {}),
    "a split": (lambda x: cupy.split(x, 2), {}),
    "an array from the host": (lambda x: cupy.asarray(HOST), {}),
    "an array as it is": (lambda x: cupy.asarray(x), {}),
}  # fmt: skip


@pytest.mark.parametrize(("call", "launched"), LAUNCHED.values(), ids=LAUNCHED)
def test_launches(stand_in, x, call, launched):
    with stand_in.counted() as found:
        call(x)
    assert found.launched == launched
    assert found.launches == sum(launched.values())
    assert (found.bytes_written > 0) == bool(launched)
    assert found.synchronizations == 0


WAITS = {
    "get": (lambda x: x.get(), 48),
    "asnumpy": (cupy.asnumpy, 48),
    "item": (lambda x: x[0, 0].item(), 4),
    "float": (lambda x: float(x[0, 0]), 4),
    "int": (lambda x: int(x[0, 0]), 4),
    "bool": (lambda x: bool(x[0, 0]), 4),
    "repr": (lambda x: repr(x[0]), 12),
    "format": (lambda x: f"{x[0, 0]}", 4),
    "pickle": (pickle.dumps, 48),
    "nonzero": (cupy.nonzero, 8),
    "where of one argument": (cupy.where, 8),
    "a mask": (lambda x: x[x > 3], 8),
    "an assignment by a mask": (lambda x: x.__setitem__(x > 3, 0.0), 8),
    "unique": (cupy.unique, 8),
    "repeat by an array": (lambda x: cupy.repeat(x, cupy.asarray([1, 0, 2, 1]), axis=0), 8),
    "a device": (lambda x: x.device.synchronize(), 0),
    "a stream": (lambda x: cupy.cuda.Stream.null.synchronize(), 0),
    "an event": (lambda x: cupy.cuda.Event().synchronize(), 0),
}


@pytest.mark.parametrize(("call", "to_host"), WAITS.values(), ids=WAITS)
def test_synchronizations(stand_in, x, call, to_host):
    with stand_in.counted() as found:
        call(x)
    assert found.synchronizations == 1
    assert found.bytes_to_host == to_host


def test_bytes(stand_in):
    pool = cupy.get_default_memory_pool()
    before = pool.used_bytes()
    with stand_in.counted() as outer:
        x = cupy.asarray(HOST)
        with stand_in.counted() as inner:
            y = x * 2
            del y
            z = x + 1
        view = x[0]
        assert pool.used_bytes() - before == 96
        del x, z
        assert pool.used_bytes() - before == 48  # which the view holds
        del view
    assert (outer.bytes_to_device, inner.bytes_to_device) == (48, 0)
    assert outer.bytes_written == inner.bytes_written == 96
    assert (outer.bytes_allocated, inner.bytes_allocated) == (0, 48)
    assert (outer.peak_bytes, inner.peak_bytes) == (96, 48)
    assert pool.used_bytes() == before


def test_lines_are_those_of_the_caller(stand_in, x):
    xp = array_api_compat.array_namespace(x)
    with stand_in.counted(lines=True) as found:
        xp.cumulative_sum(x, axis=0)
    (name,) = found.launched
    assert name.startswith(f"cumsum at {Path(__file__).name}:")


def test_all_threads_are_counted(stand_in):
    with stand_in.counted() as found:
        threads = [threading.Thread(target=cupy.zeros, args=(3,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found.launches == 4


def test_work_is_on_the_current_device(stand_in, x, elsewhere):
    with pytest.raises(ValueError, match=r"resides \(1\) is different from the current device \(0"):
        elsewhere + 1
    with cupy.cuda.Device(1):
        assert (elsewhere + 1).device == cupy.cuda.Device(1)
        with pytest.raises(ValueError, match="different from the current device"):
            x + elsewhere
        assert_array_equal((cupy.asarray(x) + elsewhere).get(), 2 * HOST)
        with cupy.cuda.Device(0):
            assert (x + 1).device == cupy.cuda.Device(0)
        assert cupy.cuda.Device() == cupy.cuda.Device(1)
    # A view computes nothing, and the host reads from whichever device.
    assert_array_equal(elsewhere.T[0].get(), HOST[:, 0])
    with pytest.raises(ValueError, match="different from the current device"):
        elsewhere[0] = 1.0


def test_each_thread_has_its_current_device(stand_in):
    seen = []
    with cupy.cuda.Device(1):
        thread = threading.Thread(target=lambda: seen.append(cupy.zeros(1).device))
        thread.start()
        thread.join()
    assert seen == [cupy.cuda.Device(0)]


def test_there_are_two_devices_of_16_gib(stand_in, x):
    runtime = cupy.cuda.runtime
    assert runtime.getDeviceCount() == 2
    assert runtime.getDeviceProperties(1)["totalGlobalMem"] == 16 << 30
    assert runtime.getDeviceProperties(0)["name"].decode()
    free, total = cupy.cuda.Device(0).mem_info
    assert total - free == cupy.get_default_memory_pool().used_bytes() >= x.nbytes
    with pytest.raises(runtime.CUDARuntimeError, match="cudaErrorInvalidDevice"):
        cupy.cuda.Device(2).use()


def test_memory_comes_to_an_end(stand_in, monkeypatch):
    used = cupy.get_default_memory_pool().used_bytes()
    monkeypatch.setattr(cupy.cuda.runtime, "TOTAL", used + 1000)
    held = cupy.zeros(100)
    with pytest.raises(cupy.cuda.memory.OutOfMemoryError, match="allocating 800 bytes"):
        held + 1
    assert cupy.get_default_memory_pool().used_bytes() == used + 800


def test_events_measure_milliseconds():
    start, end = cupy.cuda.Event(), cupy.cuda.Event()
    start.record()
    end.record()
    assert 0 <= cupy.cuda.get_elapsed_time(start, end) < 1e6


def test_products_have_ten_bits_only_where_that_is_asked_for(stand_in):
    """`full_precision` is tested on it in tests/arrays/test_precision.py."""
    entries = cupy.asarray(1 + np.arange(64, dtype=np.float32).reshape(8, 8) / 1e5)
    one, core = cupy.eye(8, dtype=np.float32), cupy._core
    assert_array_equal((entries @ one).get(), entries.get())
    before = core.get_compute_type(np.float32)
    core.set_compute_type(np.float32, core._routines_linalg.COMPUTE_TYPE_TF32)
    try:
        difference = float(cupy.max(cupy.abs(entries @ one - entries)))
    finally:
        core.set_compute_type(np.float32, before)
    assert 2**-12 < difference <= 2**-11


def test_programs_that_tests_start_see_what_is_installed():
    program = "from importlib.util import find_spec; print(find_spec('cupy'))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert b"cupy_stand_in" not in done.stdout
