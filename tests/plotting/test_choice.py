"""What the pictures of a choice of k show, read back from matplotlib's own objects."""

import dataclasses
import sys

import numpy as np
import pytest

from kmeans_xp import choose_k
from kmeans_xp.plotting import cluster_colors, plot_choice_of_k, plot_silhouettes
from kmeans_xp.plotting.choice import LINES, NAMES
from kmeans_xp.selection.result import Profile

matplotlib = pytest.importorskip("matplotlib")
from matplotlib.colors import to_hex  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402


@pytest.fixture(scope="module")
def blobs():
    rng = np.random.default_rng(0)
    return np.concatenate([rng.normal(c, 1, (40, 2)) for c in ((0, 0), (9, 0), (0, 9))])


@pytest.fixture(scope="module")
def selection(blobs):
    return choose_k(blobs, range(1, 8), rng=0)


def drawn(selection):
    """The panels by the first words of their titles."""
    figure = plot_choice_of_k(selection, fig=Figure(layout="constrained"))
    figure.draw_without_rendering()
    return {ax.get_title(loc="left").partition(" (")[0]: ax for ax in figure.axes}, figure


def curve(ax):
    """The points of a panel's curve."""
    (container,) = ax.containers
    return np.array(container[0].get_xydata())


def texts(ax):
    return [text.get_text() for text in ax.texts]


def test_each_criterion_has_a_panel_with_its_values_and_its_choice(selection):
    panels, figure = drawn(selection)
    titles = ["Gap statistic", "BIC", "Silhouette", "Calinski-Harabasz", "Elbow"]
    assert list(panels) == titles
    assert figure.get_suptitle() == "Recommended: k = 3 (chosen by 5 of 5 criteria)"
    for name, ax in zip(selection.scores, panels.values(), strict=True):
        values = selection.inertias if name == "elbow" else selection.scores[name]
        np.testing.assert_allclose(curve(ax), np.column_stack([selection.ks, values]))
        assert texts(ax) == ["k = 3"]
        assert ax.texts[0].xy == (3, values[2])
        assert any(list(line.get_xdata()) == [3, 3] for line in ax.lines)
        assert ax.get_xticks().tolist() == list(selection.ks)


def test_titles_say_how_to_read_a_criterion(blobs):
    of_scores = ("silhouette", "davies_bouldin", "calinski_harabasz")
    criteria = ("gap", "kmeans_bic", *of_scores, "elbow", "prediction_strength")
    _, figure = drawn(choose_k(blobs, range(1, 5), criteria=criteria, rng=0))
    readings = [ax.get_title(loc="left").partition(" (")[2].rstrip(")") for ax in figure.axes]
    higher, lower = "higher is better", "lower is better"
    ends = "first peak, within error", "farthest below the dots", "last of about 0.8"
    assert readings == [ends[0], lower, higher, lower, higher, *ends[1:]]


def test_the_gap_has_its_standard_errors(selection):
    ax = drawn(selection)[0]["Gap statistic"]
    _, _, (bars,) = ax.containers[0].lines
    ends = np.array([bar[:, 1] for bar in bars.get_segments()])
    np.testing.assert_allclose(np.diff(ends).ravel() / 2, selection.gap.se)


def test_the_elbow_lies_below_an_even_fall_on_a_logarithmic_axis(selection):
    ax = drawn(selection)[0]["Elbow"]
    assert (ax.get_xscale(), ax.get_yscale()) == ("linear", "log")
    (dots,) = (line for line in ax.lines if line.get_linestyle() == ":")
    k, fall = dots.get_data()
    np.testing.assert_allclose(fall[[0, -1]], np.array(selection.inertias)[[0, -1]])
    # Where the difference curve is largest, the inertia is farthest below, in logarithms.
    below = np.interp(np.log(selection.ks), np.log(k), np.log(fall)) - np.log(selection.inertias)
    assert selection.ks[int(below.argmax())] == selection.elbow.k == 3


def test_a_criterion_that_chooses_nothing_says_so():
    rows = np.random.default_rng(1).uniform(size=(200, 10))
    smooth = choose_k(rows, range(1, 8), criteria=("gap", "silhouette", "elbow"), rng=0)
    assert smooth.choices["elbow"] is None
    panels, _ = drawn(smooth)
    assert texts(panels["Elbow"]) == ["no k chosen"]
    # k = 1 is an answer; the silhouette has no value there.
    assert texts(panels["Gap statistic"]) == ["k = 1"]
    assert np.isnan(curve(panels["Silhouette"])[0, 1])


def test_without_a_recommendation_there_is_no_line(blobs):
    selection = choose_k(blobs, range(1, 5), criteria=("calinski_harabasz",), rng=0)
    panels, figure = drawn(selection)
    assert figure.get_suptitle() == "No k is recommended"
    ax = panels["Calinski-Harabasz"]
    assert not [line for line in ax.lines if line.get_linestyle() == "--"]
    assert texts(ax) == ["k = 3"]


def test_one_k_and_no_value_at_all_are_drawn(blobs):
    panels, _ = drawn(choose_k(blobs, (1,), criteria=("silhouette", "bic", "elbow")))
    assert texts(panels["Silhouette"]) == texts(panels["Elbow"]) == ["no k chosen"]
    assert panels["Silhouette"].get_yticks().size == 0
    assert texts(panels["BIC"]) == ["k = 1"]


@pytest.mark.parametrize(
    ("rows", "scale"), [(np.repeat(np.eye(3), 5, axis=0), "log"), (np.ones((9, 2)), "linear")]
)
def test_an_inertia_of_zero_is_drawn(rows, scale):
    selection = choose_k(rows, range(1, 4), criteria=("elbow",), rng=0)
    ax = drawn(selection)[0]["Elbow"]
    assert ax.get_yscale() == scale
    assert np.isfinite(curve(ax)).all()


def test_a_name_that_is_unknown_here_is_drawn_as_it_is(selection):
    scores = dict.fromkeys(("eigengap", "other"), selection.scores["silhouette"])
    alien = dataclasses.replace(selection, scores=scores, choices=dict.fromkeys(scores, 3))
    assert list(drawn(alien)[0]) == ["Eigengap", "other"]


def test_many_ks_have_few_ticks(blobs):
    selection = choose_k(blobs, range(2, 31), criteria=("silhouette",), rng=0)
    ticks = drawn(selection)[0]["Silhouette"].get_xticks()
    assert 3 <= len(ticks) <= 12
    assert (ticks == ticks.round()).all()
    spread = choose_k(blobs, (2, 4, 8, 16), criteria=("silhouette",), rng=0)
    assert drawn(spread)[0]["Silhouette"].get_xticks().tolist() == [2, 4, 8, 16]


@pytest.mark.parametrize(("panels", "lines"), [(1, 1), (2, 1), (3, 1), (4, 2), (5, 2), (7, 3)])
def test_panels_stand_in_lines(selection, panels, lines):
    scores = {f"criterion {i}": selection.scores["bic"] for i in range(panels)}
    alien = dataclasses.replace(selection, scores=scores, choices=dict.fromkeys(scores, 3))
    _, figure = drawn(alien)
    assert len(figure.axes) == panels
    assert len({round(ax.get_position().y0, 3) for ax in figure.axes}) == lines


def test_silhouettes_are_sorted_in_a_band_of_each_cluster(selection):
    profile = selection.profile
    ax = plot_silhouettes(profile, ax=Figure().add_subplot())
    assert [to_hex(band.get_facecolor()[0]) for band in ax.collections] == [
        color.lower() for color in cluster_colors(3)
    ]
    tops = []
    for cluster, band in enumerate(ax.collections):
        values = np.sort(profile.values[profile.labels == cluster])
        shown = band.get_paths()[0].vertices
        edge = shown[shown[:, 0] != 0]
        np.testing.assert_array_equal(np.unique(edge[:, 0]), np.unique(values))
        best = edge[edge[:, 0] == values[-1], 1].min()
        assert (edge[:, 1] >= best).all()  # the best row on top, as the axis points down
        tops.append(best)
    assert tops == sorted(tops)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["0 (40)", "1 (40)", "2 (40)"]
    mean = profile.values.mean()
    assert any(list(line.get_xdata()) == [mean, mean] for line in ax.lines)
    assert f"(mean {mean:.2f})" in ax.get_title(loc="left")


def test_of_many_rows_as_many_are_drawn_as_can_be_seen():
    rng = np.random.default_rng(0)
    labels = np.concatenate([np.zeros(90_000, int), np.ones(9_999, int), [2]])
    values = rng.uniform(-0.5, 1, size=100_000)
    ax = plot_silhouettes(Profile(3, labels, values), ax=Figure().add_subplot())
    points = [len(band.get_paths()[0].vertices) for band in ax.collections]
    assert sum(points) < 3 * LINES
    for cluster, band in enumerate(ax.collections):
        own = values[labels == cluster]
        edge = band.get_paths()[0].vertices[:, 0]
        assert {own.min(), own.max()} <= set(edge.tolist())


def test_names_of_clusters_do_not_overlap():
    labels = np.repeat(np.arange(60), np.arange(1, 61))
    ax = plot_silhouettes(Profile(60, labels, np.full(len(labels), 0.5)), ax=Figure().add_subplot())
    named = [label.get_text() for label in ax.get_yticklabels()]
    assert "59 (60)" in named
    assert len(named) <= NAMES
    height = abs(np.diff(ax.get_ylim())[0])
    assert np.diff(ax.get_yticks()).min() > 0.9 * height / NAMES


def test_a_cluster_of_which_no_row_was_looked_at_is_named():
    profile = Profile(3, np.array([0, 0, 2]), np.array([0.5, 0.6, 0.0]))
    ax = plot_silhouettes(profile, ax=Figure().add_subplot())
    assert "1 (0)" in [label.get_text() for label in ax.get_yticklabels()]


def test_by_default_pyplot_makes_the_figure(selection):
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure = plot_choice_of_k(selection)
    ax = plot_silhouettes(selection.profile)
    assert {figure.number, ax.figure.number} <= set(pyplot.get_fignums())
    pyplot.close("all")


def test_without_matplotlib_the_extra_is_named(selection, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for draw, what in ((plot_choice_of_k, selection), (plot_silhouettes, selection.profile)):
        with pytest.raises(ImportError, match=r"pip install 'kmeans_xp\[plot\]'"):
            draw(what)
