"""Which reader opens an input."""

from collections.abc import Callable
from pathlib import Path

from kmeans_xp.cli.errors import CliError
from kmeans_xp.cli.inputs import SAMPLE, TEXT, Format, Input

# Where the user says nothing of the file.
AS_IT_IS = Format()


def read(spec: str, form: Format = AS_IT_IS) -> Input:
    """Open what INPUT names: a file of a known suffix or ``sample:NAME``.

    Parameters
    ----------
    spec : str
        A path, or ``sample:`` and the name of a data set that scikit-learn ships.
    form : Format, optional
        What the user says of the file.
    """
    suffix = "" if spec.startswith(SAMPLE) else Path(spec).suffix.lower()
    form.check(spec, suffix)
    if spec.startswith(SAMPLE):
        from kmeans_xp.cli import samples

        return samples.read(spec.removeprefix(SAMPLE))
    path = Path(spec)
    reader = _reader(path, suffix, form)
    if path.is_dir():
        raise CliError(f"{path}: is a directory, not a file")
    if path.stat().st_size == 0:
        raise CliError(f"{path}: is empty")
    return reader(path)


def _reader(path: Path, suffix: str, form: Format) -> Callable[[Path], Input]:
    # Readers are imported here so that an array needs no pyarrow and a table no pillow.
    if suffix in {".npy", ".npz"}:
        from kmeans_xp.cli import array_files

        return array_files.read_npy if suffix == ".npy" else array_files.npz_reader(form.key)
    if suffix == ".parquet":
        from kmeans_xp.cli import tables

        return tables.read_parquet
    if suffix in TEXT:
        from kmeans_xp.cli import text_tables

        return text_tables.text_reader(form)
    if suffix in {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"}:
        from kmeans_xp.cli import images

        return images.read
    raise CliError(
        f"{path}: unknown kind of file {suffix or '(no suffix)'!r}; INPUT is .npy, .npz, .csv, "
        ".tsv, .parquet, an image (.png, .jpg, .bmp, .tif, .webp), or sample:NAME"
    )
