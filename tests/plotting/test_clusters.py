"""What is drawn, read back from matplotlib's own objects."""

import sys

import numpy as np
import pytest
from sklearn.datasets import load_digits, load_iris
from sklearn.decomposition import PCA

from kmeans_xp.plotting import cluster_colors, plot_clusters, plot_palette

matplotlib = pytest.importorskip("matplotlib")
from matplotlib.colors import to_hex, to_rgb  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402


@pytest.fixture
def ax():
    return Figure().add_subplot()


@pytest.fixture(scope="module")
def iris():
    bunch = load_iris()
    centers = np.stack([bunch.data[bunch.target == k].mean(axis=0) for k in range(3)])
    return bunch.data, bunch.target, centers


def colors_of(collection):
    return [to_hex(color) for color in collection.get_facecolors()]


def lower(colors):
    return [color.lower() for color in colors]


def test_rows_are_drawn_on_two_principal_components_in_their_clusters_colours(ax, iris):
    X, labels, centers = iris
    assert plot_clusters(X, labels, centers, ax=ax) is ax
    rows, middles = ax.collections
    pca = PCA(n_components=2).fit(X)
    apart = np.linalg.norm(pca.transform(X)[:, None] - rows.get_offsets()[None], axis=2)
    assert len(rows.get_offsets()) == 150
    assert apart.min(axis=1).max() < 1e-9
    own, colors = lower(cluster_colors(3)), colors_of(rows)
    assert [colors[i] for i in apart.argmin(axis=1)] == [own[label] for label in labels]
    np.testing.assert_allclose(middles.get_offsets(), pca.transform(centers), atol=1e-9)
    assert colors_of(middles) == own
    assert [text.get_text() for text in ax.texts] == ["0", "1", "2"]
    share = pca.explained_variance_ratio_
    assert ax.get_xlabel() == f"first principal component ({share[0]:.0%} of the variance)"
    assert ax.get_ylabel() == f"second principal component ({share[1]:.0%} of the variance)"


def test_two_features_are_drawn_as_they_are(ax, iris):
    X, labels, centers = iris
    names = ["length", "width"]
    plot_clusters(X[:, 2:], labels, centers[:, 2:], ax=ax, feature_names=names)
    rows, middles = ax.collections
    assert sorted(rows.get_offsets().tolist()) == sorted(X[:, 2:].tolist())
    np.testing.assert_array_equal(middles.get_offsets(), centers[:, 2:])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("length", "width")


def test_one_feature_is_a_histogram_of_every_row(ax, iris):
    X, labels, centers = iris
    plot_clusters(X[:, 2:3], labels, centers[:, 2:3], ax=ax, feature_names=["length"])
    for k, color in enumerate(lower(cluster_colors(3))):
        bars = [p for p in ax.patches if to_hex(p.get_facecolor()) == color]
        assert sum(bar.get_height() for bar in bars) == np.sum(labels == k)
    assert sorted(line.get_xdata()[0] for line in ax.lines) == sorted(centers[:, 2])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("length", "rows")


def test_shares_mix_the_clusters_colours(ax, iris):
    X, labels, centers = iris
    shares = np.eye(3)[labels] * 0.8 + np.array([0.2, 0.0, 0.0])
    plot_clusters(X[:, :2], shares, centers[:, :2], ax=ax)
    rows = ax.collections[0]
    own = np.array([to_rgb(color) for color in cluster_colors(3)])
    for place, color in zip(rows.get_offsets(), rows.get_facecolors()[:, :3], strict=True):
        (twins,) = np.nonzero((X[:, :2] == place).all(axis=1))
        wanted = (shares @ own)[twins]
        assert np.abs(wanted - color).max(axis=1).min() < 1e-12


def test_shares_of_one_feature_add_up_to_its_rows(ax, iris):
    X, labels, centers = iris
    shares = np.eye(3)[labels] * 0.7 + 0.1
    plot_clusters(X[:, 2:3], shares, centers[:, 2:3], covariances=np.full((3, 1, 1), 4.0), ax=ax)
    for k, color in enumerate(lower(cluster_colors(3))):
        shown = [p for p in ax.patches if to_hex(p.get_facecolor()) == color]
        bars = [p.get_height() for p in shown if p.get_alpha() is None]
        (band,) = (p for p in shown if p.get_alpha() is not None)
        np.testing.assert_allclose(sum(bars), shares[:, k].sum())
        np.testing.assert_allclose(band.get_x(), centers[k, 2] - 2)
        np.testing.assert_allclose(band.get_width(), 4)


@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize("d", [2, 4])
def test_covariances_are_ellipses_on_the_axes_of_the_rows(ax, iris, d, alone):
    X, labels, centers = iris
    X, centers = X[:, :d], centers[:, :d]
    spread = np.stack([np.cov(X[labels == k].T) for k in range(3)])
    given = spread
    if alone:
        given = np.diagonal(spread, axis1=1, axis2=2)
        spread = given[:, :, None] * np.eye(d)
    plot_clusters(X, labels, centers, covariances=given, ax=ax)
    axes = np.eye(2) if d == 2 else PCA(n_components=2).fit(X).components_
    ellipses = [ax.patches[i : i + 2] for i in (0, 2, 4)]
    for (one, two), covariance, center in zip(
        ellipses, spread, ax.collections[1].get_offsets(), strict=True
    ):
        np.testing.assert_allclose(one.center, center)
        np.testing.assert_allclose(two.width, 2 * one.width)
        # All points of an ellipse are one deviation away from its centre.
        shifts = one.get_patch_transform().transform(one.get_path().vertices) - center
        inverse = np.linalg.inv(axes @ covariance @ axes.T)
        distances = np.einsum("ni,ij,nj->n", shifts, inverse, shifts)
        corners = np.linalg.norm(one.get_path().vertices, axis=1) < 1 + 1e-9
        np.testing.assert_allclose(distances[corners], 1, rtol=1e-3)


def test_of_many_rows_a_sample_is_drawn_repeatably(iris):
    X, labels, centers = iris
    drawn = []
    for seed in (0, 0, 1):
        ax = Figure().add_subplot()
        plot_clusters(X[:, :2], labels, centers[:, :2], ax=ax, max_points=40, rng=seed)
        drawn.append(ax.collections[0].get_offsets().tolist())
    assert [len(rows) for rows in drawn] == [40, 40, 40]
    assert drawn[0] == drawn[1] != drawn[2]
    assert {tuple(row) for row in drawn[0]} <= {tuple(row) for row in X[:, :2].tolist()}


def test_many_centres_are_marked_without_numbers(ax):
    X = load_digits().data
    plot_clusters(X, np.arange(len(X)) % 40, X[:40], ax=ax)
    assert len(ax.collections[1].get_offsets()) == 40
    assert len(ax.texts) == 0


def test_rows_alone_can_be_drawn(ax, iris):
    X, labels, _ = iris
    plot_clusters(X, labels, ax=ax)
    assert len(ax.collections) == 1
    assert set(colors_of(ax.collections[0])) == set(lower(cluster_colors(3)))


@pytest.mark.parametrize("X", [np.ones((5, 4)), np.arange(4.0)[None]])
def test_rows_without_any_spread_are_drawn_too(ax, X):
    plot_clusters(X, np.zeros(len(X), int), X[:1], ax=ax)
    assert len(ax.collections[0].get_offsets()) == len(X)
    assert ax.get_xlabel() == "feature 0"


def test_rows_of_every_backend_are_drawn(backend, iris):
    X, labels, centers = iris
    wanted, ax = Figure().add_subplot(), Figure().add_subplot()
    plot_clusters(X[:, :2].astype(np.float32), labels, centers[:, :2], ax=wanted, max_points=99)
    there = [backend.asarray(a) for a in (X[:, :2].astype(np.float32), labels.astype(np.int32))]
    plot_clusters(*there, backend.asarray(centers[:, :2].astype(np.float32)), ax=ax, max_points=99)
    ours, theirs = (a.collections[0] for a in (ax, wanted))
    np.testing.assert_allclose(ours.get_offsets(), theirs.get_offsets(), rtol=1e-6)
    np.testing.assert_array_equal(ours.get_facecolors(), theirs.get_facecolors())
    shares = np.eye(3, dtype=np.float32)[labels]
    plot_clusters(there[0], backend.asarray(shares), ax=ax, max_points=99)
    shared = ax.collections[2].get_facecolors()
    np.testing.assert_array_equal(shared, theirs.get_facecolors())


def test_a_memory_map_is_drawn(tmp_path, ax, iris):
    X, labels, _ = iris
    np.save(tmp_path / "x.npy", X)
    plot_clusters(np.load(tmp_path / "x.npy", mmap_mode="r"), labels, ax=ax, max_points=10)
    assert len(ax.collections[0].get_offsets()) == 10


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"labels": np.zeros(9, int)}, "labels must"),
        ({"centers": np.zeros((2, 3))}, r"centers must have shape \(k, 4\)"),
        ({"feature_names": ["one"]}, "feature_names must name 4"),
        ({"X": np.zeros(150)}, "X must be a 2-d array"),
        ({"labels": np.zeros((150, 2))}, "labels must have a column for each of 3 centers"),
        ({"labels": np.zeros((150, 3, 1))}, "labels must have shape"),
        ({"covariances": np.zeros((4, 4))}, r"covariances must have shape \(3, 4, 4\)"),
        ({"centers": None, "covariances": np.zeros((3, 4, 4))}, "covariances need the centers"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(ax, iris, change, part):
    X, labels, centers = iris
    arguments = {"X": X, "labels": labels, "centers": centers} | change
    with pytest.raises(ValueError, match=part):
        plot_clusters(ax=ax, **arguments)


def test_up_to_eight_clusters_have_colours_of_their_own():
    assert [len(set(cluster_colors(k))) for k in (1, 5, 8, 20)] == [1, 5, 8, 8]


def test_clusters_that_share_a_colour_are_far_apart():
    # Eight to a row, so that colours taken in turn would meet in every column.
    places = np.stack(np.meshgrid(np.arange(8.0), np.arange(4.0)), axis=-1).reshape(-1, 2)
    colors = cluster_colors(32, places)
    for i in range(32):
        for j in range(i):
            neighbours = np.abs(places[i] - places[j]).sum() == 1
            assert not (neighbours and colors[i] == colors[j])


@pytest.fixture
def flag():
    """A flag of three colours, its labels, and the colours."""
    labels = np.repeat([2, 0, 1, 1], 6).reshape(4, 6)
    colors = np.array([[1.0, 1.0, 1.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
    rng = np.random.default_rng(0)
    return np.clip(colors[labels] + rng.normal(scale=0.01, size=(4, 6, 3)), 0, 1), labels, colors


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("integers", [False, True])
def test_an_image_beside_its_colours_and_their_palette(flag, flat, integers):
    image, labels, colors = flag
    given = (image * 255).round().astype(np.uint8) if integers else image
    centers = colors * 255 if integers else colors
    figure = plot_palette(given, labels.ravel() if flat else labels, centers, figure=Figure())
    original, quantised, palette = figure.axes
    np.testing.assert_allclose(original.images[0].get_array(), image, atol=1 / 255)
    np.testing.assert_array_equal(quantised.images[0].get_array(), colors[labels])
    assert (original.get_title(), quantised.get_title()) == ("original", "3 colours")
    swatches = [to_hex(patch.get_facecolor()) for patch in palette.patches]
    assert swatches == ["#0000ff", "#ffffff", "#ff0000"]
    texts = [text.get_text() for text in palette.texts]
    assert texts == ["50%", "#0000ff", "25%", "#ffffff", "25%", "#ff0000"]


def test_a_palette_of_many_colours_is_a_strip_of_their_shares():
    labels = np.concatenate([np.arange(100), np.zeros(100, int)]).reshape(10, 20)
    colors = np.random.default_rng(0).random((100, 3))
    figure = plot_palette(colors[labels], labels, colors, figure=Figure())
    widths = [patch.get_width() for patch in figure.axes[2].patches]
    assert len(widths) == 100
    np.testing.assert_allclose(widths[0], 101 / 200)
    np.testing.assert_allclose(sum(widths), 1)


def test_swatches_fill_rows_of_sixteen():
    labels = np.arange(40).reshape(5, 8)
    colors = np.random.default_rng(0).random((40, 3))
    palette = plot_palette(colors[labels], labels, colors, figure=Figure()).axes[2]
    assert len(palette.patches) == 40
    heights = [patch.get_y() for patch in palette.patches]
    assert [heights.count(y) for y in sorted(set(heights), reverse=True)] == [16, 16, 8]


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"image": np.zeros((4, 6))}, "image must have shape"),
        ({"labels": np.zeros((4, 5), int)}, "labels must be one for each of the image's 4 x 6"),
        ({"centers": np.zeros((3, 4))}, "centers must have shape"),
    ],
)
def test_an_image_that_does_not_fit_is_refused(flag, change, part):
    arguments = dict(zip(("image", "labels", "centers"), flag, strict=True)) | change
    with pytest.raises(ValueError, match=part):
        plot_palette(figure=Figure(), **arguments)


def test_by_default_pyplot_makes_the_figure(flag, iris, monkeypatch):
    matplotlib.use("Agg")
    from matplotlib import pyplot

    ax = plot_clusters(*iris)
    figure = plot_palette(*flag)
    assert {ax.figure.number, figure.number} <= set(pyplot.get_fignums())
    pyplot.close("all")


def test_without_matplotlib_the_extra_is_named(flag, iris, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for draw, arguments in ((plot_clusters, iris), (plot_palette, flag)):
        with pytest.raises(ImportError, match=r"pip install 'kmeans_xp\[plot\]'"):
            draw(*arguments)
