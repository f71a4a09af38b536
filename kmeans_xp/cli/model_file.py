"""The model file: a fit in an .npz file that holds no pickle."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from kmeans_xp import __version__
from kmeans_xp.cli.array_files import load_npz
from kmeans_xp.cli.errors import WORD, CliError, known, shortened
from kmeans_xp.cli.family import FAMILY
from kmeans_xp.cli.files import loaded, locate
from kmeans_xp.cli.inputs import Array, Choice, Input
from kmeans_xp.cli.outputs import atomic
from kmeans_xp.cli.rules import Rule
from kmeans_xp.cli.scaling import Scaling

FORMAT = "kmeans_xp.kmeans"
# 1 held no algorithm but k-means.
VERSION = 2


@dataclass(frozen=True)
class Model:
    """What a later run needs to repeat and to explain a fit.

    Attributes
    ----------
    algorithm : str
        Which of the family.
    rule : Rule
        How it labels rows: z-scores where the fit was standardised.
    centers : ndarray
        Centres in the features' own units. Kept beside the rule's because undoing and redoing
        the scaling would round them.
    mean, scale : ndarray
        The standardisation; empty if there was none.
    columns : ndarray of str
        Names of the features.
    named : bool
        Whether the input gave these names; otherwise they were made of positions.
    """

    algorithm: str
    rule: Rule
    centers: Array
    mean: Array
    scale: Array
    columns: Array
    named: bool
    objective: float
    n_iter: int
    converged: bool
    dtype: str
    seed: int

    @property
    def scaling(self) -> Scaling | None:
        """The standardisation to repeat, if there was one."""
        return Scaling(self.mean, self.scale) if self.mean.size else None

    def save(self, path: Path) -> None:
        """Write the model."""
        stored: dict[str, Any] = {
            "format": FORMAT,
            "version": VERSION,
            "written_by": __version__,
            "fitted_centers": self.rule.centers,
            self.rule.objective: self.objective,
        }
        stored |= {name: getattr(self, name) for name in PLAIN} | self.rule.stored()
        with atomic(path) as file:
            np.savez(file, allow_pickle=False, **stored)

    def choice(self, source: Input, columns: tuple[str, ...]) -> Choice:
        """Find the model's features in an input: by name, or by position where it has none."""
        wanted = [str(name) for name in self.columns]
        if columns:
            chosen = Choice(columns)
            self._check_width(len(chosen.positions(source)), source, "--columns")
            return chosen
        missing = [name for name in wanted if name not in source.columns]
        if not missing:
            return Choice(tuple(wanted))
        if self.named and source.named:
            raise CliError(
                f"{source.name} lacks {len(missing)} of the model's {len(wanted)} columns: "
                f"{', '.join(missing[:5])}{', ...' if len(missing) > 5 else ''}; "
                f"it has {known(list(source.columns), missing[0])}"
            )
        self._check_width(len(source.numeric()), source, "--columns picks those to use")
        return Choice()

    def _check_width(self, width: int, source: Input, hint: str) -> None:
        if width != len(self.columns):
            raise CliError(
                f"{source.name} gives {width} features, the model was fitted on "
                f"{len(self.columns)} ({known([str(c) for c in self.columns], '')}); {hint}"
            )


# The fields that are stored as they are.
PLAIN = {f.name: f.type for f in fields(Model) if f.name not in ("rule", "objective")}

# Kinds of dtypes of what is stored, where it is not real numbers.
TEXT = (
    "format",
    "written_by",
    "algorithm",
    "dtype",
    "columns",
    "mixture_kind",
    "metric",
    "affinity",
)
WHOLE = ("version", "n_iter", "seed", "n_neighbors", "medoid_indices", "tree_children")
KINDS = dict.fromkeys(TEXT, "U") | dict.fromkeys(WHOLE, "iu")
KINDS |= dict.fromkeys(("named", "converged"), "b")
SCALARS = KINDS.keys() - {"columns", "medoid_indices", "tree_children"}
SCALARS |= {algorithm.rule.objective for algorithm in FAMILY.values()}


def load(path: Path) -> Model:
    """Read and check a model file."""
    file = loaded(locate(str(path)))
    stored = load_npz(file) if file.suffix == ".npz" else {}
    if "format" not in stored or str(stored["format"]) != FORMAT:
        raise CliError(f"{path}: is not a model written by kmeans-xp fit --model")
    try:
        version = int(stored["version"])
        if version > VERSION:
            raise CliError(
                f"{path}: is of model version {version}, this kmeans_xp {__version__} reads up "
                f"to {VERSION}; it was written by kmeans_xp {stored['written_by']}"
            )
        if version < 1:
            raise ValueError(f"version is {version}")
        _check_kinds(stored)
        model = _restored(stored if version > 1 else stored | {"algorithm": np.array("kmeans")})
        _check(model)
    except KeyError as error:
        raise CliError(f"{path}: is a damaged model file (it lacks {error})") from error
    except (ValueError, TypeError, AttributeError) as error:
        why = shortened(str(error), WORD)
        raise CliError(f"{path}: is a damaged model file ({why})") from error
    return model


def _check_kinds(stored: Mapping[str, Array]) -> None:
    """Refuse what no fit writes, whatever it stands for: text for numbers, NaN, arrays for one."""
    for name, values in stored.items():
        kinds = KINDS.get(name, "f")
        if values.dtype.kind not in kinds:
            raise ValueError(f"{name} has dtype {values.dtype}")
        if values.ndim and name in SCALARS:
            raise ValueError(f"{name} has shape {values.shape}")
        if kinds == "f" and not np.isfinite(values).all():
            raise ValueError(f"{name} holds NaN or infinity")


def _restored(stored: Mapping[str, Array]) -> Model:
    """Return the model that a file's arrays make up."""
    name = str(stored["algorithm"])
    if name not in FAMILY:
        raise ValueError(f"its algorithm is {name!r}")
    rule = FAMILY[name].rule.restored(stored)
    plain = {field: _value(kind, stored[field]) for field, kind in PLAIN.items()}
    return Model(rule=rule, objective=float(stored[rule.objective][()]), **plain)


def _value(kind: Any, stored: Array) -> Any:
    return kind(stored[()]) if kind in (bool, int, float, str) else stored


def _check(model: Model) -> None:
    k, d = model.centers.shape
    for name, centers in (("centers", model.centers), ("fitted_centers", model.rule.centers)):
        if centers.shape != (k, d) or centers.dtype != model.dtype:
            raise ValueError(f"{name} has shape {centers.shape} and dtype {centers.dtype}")
    if model.n_iter < 0 or model.seed < 0:
        raise ValueError(f"n_iter is {model.n_iter} and seed {model.seed}")
    if model.scaling is None and not np.array_equal(model.centers, model.rule.centers):
        raise ValueError("centers and fitted_centers differ")
    if model.dtype not in ("float32", "float64"):
        raise ValueError(f"dtype is {model.dtype}")
    if model.columns.shape != (d,) or model.columns.dtype.kind != "U":
        raise ValueError("columns do not name the features")
    for name in ("mean", "scale"):
        values = getattr(model, name)
        if values.shape not in {(0,), (d,)}:
            raise ValueError(f"{name} has shape {values.shape}")
    if model.mean.shape != model.scale.shape or not (model.scale > 0).all():
        raise ValueError("mean and scale do not belong together")
