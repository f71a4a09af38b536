"""The options of the commands, as the parser reads them and as ``--help`` shows them."""

from pathlib import Path
from typing import Annotated

import typer

from kmeans_xp.cli.errors import CliError

# Options that are not spelled as the argument that they stand for.
SPELLED = {"algorithm": "kernel", "bisecting_strategy": "strategy"}

INPUT = "Input"
FIT = "How to fit; what is left out has the default of the algorithm's Python function"
SOME = "What only some algorithms have"
WHERE = "Where the work is done"
OUTPUT = "Output"

Spec = Annotated[
    str,
    typer.Argument(
        metavar="INPUT",
        help="An .npy (mapped, not read whole), .npz, .csv, .tsv (these two also packed, as "
        ".csv.gz) or .parquet file, an image (each pixel a row), - for standard input, or "
        "sample:NAME for data that scikit-learn ships, such as sample:iris or the photograph "
        "sample:china.",
    ),
]
NClusters = Annotated[
    str,
    typer.Option(
        "--n-clusters",
        "-k",
        metavar="K|MIN:MAX|auto",
        help="How many clusters; or a range such as 2:12, both ends included, or auto, which is "
        "1:10, to fit the number that choose-k recommends of it.",
    ),
]
Min = Annotated[int, typer.Option("--min", min=1, help="The smallest number of clusters to try.")]
Max = Annotated[
    int | None,
    typer.Option(
        "--max",
        min=1,
        help="The largest; by default 10, or one less than there are rows if this is less.",
    ),
]
Criteria = Annotated[
    str | None,
    typer.Option(
        help="What to go by, separated by commas: gap, bic, silhouette, calinski_harabasz, elbow, "
        "davies_bouldin, aic, kmeans_bic or prediction_strength; for kmedoids silhouette, "
        "medoid_silhouette or elbow; for spectral eigengap or silhouette. By default the first "
        "five, or what suits the algorithm.",
    ),
]
SampleSize = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="How many rows the gap, mixtures, silhouettes and prediction strength look at, at "
        "most; 5000 if left out.",
    ),
]
Algorithm = Annotated[
    str,
    typer.Option(
        help="Which of the family: kmeans, minibatch, bisecting, soft, gmm, kmedoids or spectral."
    ),
]
Seed = Annotated[
    int | None,
    typer.Option(
        min=0, max=2**64 - 1, help="Makes a run repeatable; drawn and reported if left out."
    ),
]
Init = Annotated[
    str | None,
    typer.Option(
        help="How to seed: k-means++, k-means|| or random; for gmm also k-means or "
        "'random shares'; for kmedoids k-medoids++, build or random.",
        rich_help_panel=FIT,
    ),
]
NInit = Annotated[
    str | None,
    typer.Option(
        help="How many starts; the best is kept. A number, or auto for kmeans, minibatch and "
        "kmedoids.",
        rich_help_panel=FIT,
    ),
]
MaxIter = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Most iterations of a start; for minibatch, passes over as many rows as there are; "
        "for kmedoids, passes over the rows, or swaps of pam; for spectral, of the eigensolver.",
        rich_help_panel=FIT,
    ),
]
Tol = Annotated[
    float | None,
    typer.Option(
        help="Stop when the centres move less, relative to the variance; for soft and gmm, when "
        "the log-likelihood of a row changes less.",
        rich_help_panel=FIT,
    ),
]
Kernel = Annotated[
    str | None,
    typer.Option(
        help="kmeans, minibatch, bisecting, kmedoids, spectral: auto, lloyd, or a kernel that "
        "kmeans-xp info lists.",
        rich_help_panel=SOME,
    ),
]
EmptyClusters = Annotated[
    str | None,
    typer.Option(
        help="kmeans: which row an empty cluster gets, farthest or random.", rich_help_panel=SOME
    ),
]
BatchSize = Annotated[
    int | None, typer.Option(min=1, help="minibatch: rows of a batch.", rich_help_panel=SOME)
]
InitSize = Annotated[
    int | None,
    typer.Option(min=1, help="minibatch: rows that a start is sought among.", rich_help_panel=SOME),
]
MaxNoImprovement = Annotated[
    int | None,
    typer.Option(
        min=0,
        help="minibatch: stop after so many batches without a new low of the smoothed inertia.",
        rich_help_panel=SOME,
    ),
]
ReassignmentRatio = Annotated[
    float | None,
    typer.Option(
        help="minibatch: a centre that has seen less than this part of the busiest one's rows "
        "starts anew.",
        rich_help_panel=SOME,
    ),
]
Strategy = Annotated[
    str | None,
    typer.Option(
        help="bisecting: which cluster is divided next, biggest_inertia or largest_cluster.",
        rich_help_panel=SOME,
    ),
]
Stiffness = Annotated[
    float | None,
    typer.Option(
        help="soft: the inverse of the clusters' variance; learned if left out.",
        rich_help_panel=SOME,
    ),
]
Mixing = Annotated[
    bool | None,
    typer.Option(
        "--mixing/--no-mixing",
        help="soft: whether the weights of the clusters are learned, or all alike.",
        rich_help_panel=SOME,
    ),
]
CovarianceType = Annotated[
    str | None,
    typer.Option(help="gmm: full, tied, diag or spherical.", rich_help_panel=SOME),
]
RegCovar = Annotated[
    float | None,
    typer.Option(
        help="soft, gmm: added to the variances, so that none collapses.", rich_help_panel=SOME
    ),
]
Metric = Annotated[
    str | None,
    typer.Option(
        help="kmedoids: euclidean, sqeuclidean, manhattan, cosine or chebyshev; or precomputed, "
        "where INPUT is a square table of the distances between all rows.",
        rich_help_panel=SOME,
    ),
]
Method = Annotated[
    str | None,
    typer.Option(
        help="kmedoids: pam, fasterpam, onebatch (which keeps no distances), or auto.",
        rich_help_panel=SOME,
    ),
]
MaxMemory = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="kmedoids: bytes that the distances between all rows may take; spectral: that the "
        "affinities may.",
        rich_help_panel=SOME,
    ),
]
Affinity = Annotated[
    str | None,
    typer.Option(
        help="spectral: nearest_neighbors, rbf, or landmarks, which serves many rows and has a "
        "model for predict; or precomputed or precomputed_nearest_neighbors, where INPUT is a "
        "square table of affinities or of distances.",
        rich_help_panel=SOME,
    ),
]
NNeighbors = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="spectral: how many neighbours, or landmarks, a row is linked to.",
        rich_help_panel=SOME,
    ),
]
Gamma = Annotated[
    str | None,
    typer.Option(
        help="spectral: the scale of rbf, exp(-gamma d²), or local for one of each row's own.",
        rich_help_panel=SOME,
    ),
]
NLandmarks = Annotated[
    int | None, typer.Option(min=1, help="spectral: how many landmarks.", rich_help_panel=SOME)
]
EigenSolver = Annotated[
    str | None,
    typer.Option(help="spectral: auto, dense or chebyshev.", rich_help_panel=SOME),
]
EigenTol = Annotated[
    str | None,
    typer.Option(
        help="spectral: the angle by which eigenvectors may be off, or auto.", rich_help_panel=SOME
    ),
]
Columns = Annotated[
    list[str] | None,
    typer.Option(
        help="Columns to use, by name or position from 0, separated by commas. "
        "By default every numeric column but an index.",
        rich_help_panel=INPUT,
    ),
]
Key = Annotated[
    str | None, typer.Option(help="Which array of an .npz file.", rich_help_panel=INPUT)
]
Separator = Annotated[
    str | None,
    typer.Option(
        help="What stands between the cells of a .csv or .tsv file; 'tab' for a tab. "
        "Found out if left out.",
        rich_help_panel=INPUT,
    ),
]
Header = Annotated[
    bool | None,
    typer.Option(
        "--header/--no-header",
        help="Whether the first row of a .csv or .tsv file names the columns. "
        "Found out if left out; a file that does not show it is refused.",
        rich_help_panel=INPUT,
    ),
]
Decimal = Annotated[
    str | None,
    typer.Option(
        help="The decimal mark of the numbers in a .csv or .tsv file, . or ,. "
        "Found out if left out; numbers such as 1,234 that may have either are refused.",
        rich_help_panel=INPUT,
    ),
]
Backend = Annotated[
    str,
    typer.Option(
        help="Array library to compute with; kmeans-xp info lists them.", rich_help_panel=WHERE
    ),
]
Device = Annotated[
    str | None,
    typer.Option(help="Device of the backend, such as cuda:0.", rich_help_panel=WHERE),
]
Labels = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        help="Write labels to .csv, .tsv or .parquet (beside the rows) or .npy (alone).",
        rich_help_panel=OUTPUT,
    ),
]
LabelName = Annotated[
    str, typer.Option(help="Name of the column of labels.", rich_help_panel=OUTPUT)
]
Plot = Annotated[
    Path | None,
    typer.Option(
        help="Draw a .png or .svg: an image beside its k colours, or the rows coloured by cluster.",
        rich_help_panel=OUTPUT,
    ),
]
PlotChoice = Annotated[
    Path | None,
    typer.Option(
        "--plot",
        help="Draw a .png or .svg: each criterion over the numbers of clusters and, below, the "
        "silhouettes of the recommended clusters, or of the silhouette's own choice where one is "
        "recommended.",
        rich_help_panel=OUTPUT,
    ),
]
Compile = Annotated[
    bool,
    typer.Option("--compile", help="Compile every Numba kernel, so that no fit waits for it."),
]
For = Annotated[
    str | None,
    typer.Option(
        "--for",
        metavar="INPUT",
        help="Say what k-means would run for INPUT, why, and the memory expected; runs nothing.",
    ),
]
ForClusters = Annotated[
    int | None,
    typer.Option("--n-clusters", "-k", min=1, help="How many clusters --for INPUT would have."),
]
Json = Annotated[
    bool, typer.Option("--json", help="Print the summary as JSON.", rich_help_panel=OUTPUT)
]
Quiet = Annotated[
    bool,
    typer.Option("--quiet", "-q", help="No summary, no progress bar.", rich_help_panel=OUTPUT),
]
Weights = Annotated[
    str | None,
    typer.Option(help="Column that weighs the rows; not a feature.", rich_help_panel=INPUT),
]
Standardize = Annotated[
    bool,
    typer.Option(
        "--standardize",
        help="Cluster z-scores; the model keeps the scaling, predict repeats it.",
        rich_help_panel=INPUT,
    ),
]
Dtype = Annotated[
    str | None,
    typer.Option(help="Convert to float32 or float64 first.", rich_help_panel=WHERE),
]
Model = Annotated[
    Path | None,
    typer.Option(help="Write the model to .npz, for predict.", rich_help_panel=OUTPUT),
]


def names(text: str | None) -> tuple[str, ...] | None:
    """Return what ``--criteria`` means."""
    return None if text is None else tuple(name.strip() for name in text.split(","))


def count_or_auto(text: str | None) -> int | str | None:
    """Return what ``--n-init`` means."""
    if text is None or text == "auto":
        return text
    if not text.isdecimal():
        raise CliError(f"--n-init must be a number or 'auto', got {text!r}")
    return int(text)


def number_or(word: str, text: str | None, option: str) -> float | str | None:
    """Return what an option means that takes a number or a word."""
    if text is None or text == word:
        return text
    try:
        return float(text)
    except ValueError:
        raise CliError(f"{option} must be a number or {word!r}, got {text!r}") from None
