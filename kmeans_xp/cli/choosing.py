"""``kmeans-xp choose-k``: how many clusters each criterion finds, as a table and a picture."""

from time import perf_counter

from kmeans_xp.cli.choice_report import ChoiceSummary, show_choice
from kmeans_xp.cli.clusters import KRange, selected
from kmeans_xp.cli.family import Job
from kmeans_xp.cli.fitting import Talk, refuse_features
from kmeans_xp.cli.outputs import Outputs
from kmeans_xp.cli.picture import draw_choice
from kmeans_xp.cli.source import Source
from kmeans_xp.cli.target import device_name


def choose_k(
    source: Source,
    job: Job,
    numbers: KRange,
    criteria: tuple[str, ...] | None,
    sample_size: int | None,
    outputs: Outputs,
    talk: Talk,
) -> None:
    """Run the command."""
    talk.check()
    outputs.check(source.spec)
    numbers.check("--min", "--max")
    job.check_weights(source.choice.weights)
    if job.of_distances:
        refuse_features(Outputs(), standardize=source.standardize)
    rows = source.rows(source.open())
    begun = perf_counter()
    selection = selected(
        rows, job, numbers, bar=not talk.quiet, criteria=criteria, sample_size=sample_size
    )
    seconds = perf_counter() - begun
    if outputs.plot is not None:
        draw_choice(outputs.plot, selection, rows.data)
    if job.has_scales and not talk.quiet:
        rows.mention_scales()
    summary = ChoiceSummary(
        data=rows.data,
        what="distance" if job.of_distances else "feature",
        standardized=source.standardize,
        algorithm=job.name,
        seed=job.seed,
        selection=selection,
        seconds=seconds,
        backend=source.target.backend,
        device=device_name(rows.X),
        dtype=str(source.target.host_dtype(rows.data.rows)),
        outputs=outputs.written(),
    )
    show_choice(summary, as_json=talk.json, quiet=talk.quiet)
