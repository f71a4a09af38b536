"""Which reader opens an input."""

from collections.abc import Callable

from kmeans_xp.cli.errors import CliError
from kmeans_xp.cli.files import PACKED, File, loaded, locate
from kmeans_xp.cli.inputs import SAMPLE, TEXT, Format, Input

# Where the user says nothing of the file.
AS_IT_IS = Format()


def read(spec: str, form: Format = AS_IT_IS) -> Input:
    """Open what INPUT names: a file of a known suffix, ``-`` or ``sample:NAME``.

    Parameters
    ----------
    spec : str
        A path, ``-`` for standard input, or ``sample:`` and the name of a data set that
        scikit-learn ships.
    form : Format, optional
        What the user says of the file.
    """
    if spec.startswith(SAMPLE):
        from kmeans_xp.cli import samples

        form.check(spec, "")
        return samples.read(spec.removeprefix(SAMPLE))
    located = locate(spec)
    form.check(str(located), located.suffix.removesuffix(PACKED))
    reader = _reader(located, form)
    if located.path is not None and located.path.is_dir():
        raise CliError(f"{located}: is a directory, not a file")
    file = loaded(located)
    with file.open() as opened:
        if not opened.read(1):
            raise CliError(f"{file}: is empty")
    return reader(file)


def _reader(file: File, form: Format) -> Callable[[File], Input]:
    # Readers are imported here so that an array needs no pyarrow and a table no pillow.
    suffix = file.suffix
    if suffix in {".npy", ".npz"}:
        from kmeans_xp.cli import array_files

        return array_files.read_npy if suffix == ".npy" else array_files.npz_reader(form.key)
    if suffix == ".parquet":
        from kmeans_xp.cli import tables

        return tables.read_parquet
    if suffix.removesuffix(PACKED) in TEXT:
        from kmeans_xp.cli import text_tables

        return text_tables.text_reader(form)
    if suffix in {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"}:
        from kmeans_xp.cli import images

        return images.read
    raise CliError(
        f"{file}: unknown kind of file {suffix or '(no suffix)'!r}; INPUT is .npy, .npz, .csv, "
        ".tsv (or .csv.gz, .tsv.gz), .parquet, an image (.png, .jpg, .bmp, .tif, .webp), - for "
        "standard input, or sample:NAME"
    )
