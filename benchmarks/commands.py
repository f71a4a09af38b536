"""The arguments of each benchmark, and what is run for them."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks import (
    PROGRAM,
    ceilings,
    compare,
    fresh,
    gpu,
    grid,
    growth,
    memory,
    peers,
    scaling,
    selection,
    small,
)
from benchmarks.contest import Settings
from benchmarks.datasets import GENERATED, UnavailableError, check
from benchmarks.machine import usable_cpus
from benchmarks.races import RACES, Race
from benchmarks.scenarios import SCENARIOS

RESULTS = Path(__file__).parent / "results"
DEFAULTS = Settings()
QUICK = Settings(rounds=2, max_seconds=5.0)
GROWTH = Settings(rounds=3, max_seconds=20.0)


def main(arguments: Sequence[str] | None, parents: Sequence[argparse.ArgumentParser]) -> int:
    """Parse and run; the exit status is the command's own, where it has one."""
    parser = _parser(parents)
    options = parser.parse_args(arguments)
    try:
        status = options.run(options, command_of(options, parser))
    except (ValueError, UnavailableError) as error:
        parser.exit(2, f"{PROGRAM} {options.benchmark}: error: {error}\n")
    return status or 0


def _parser(parents: Sequence[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=PROGRAM, allow_abbrev=False)
    commands = parser.add_subparsers(dest="benchmark", required=True)
    for module, options, run in (
        (peers, _peers_options(), _peers),
        (scaling, _scaling_options(), _scaling),
        (gpu, argparse.ArgumentParser(add_help=False), _gpu),
        (fresh, _fresh_options(), _fresh),
        (growth, _growth_options(), _growth),
        (memory, _memory_options(), _memory),
        (compare, _compare_options(), _compare),
        (selection, _selection_options(), _selection),
        (small, _small_options(), _small),
    ):
        summary = (module.__doc__ or "").partition(": ")[2].strip()
        command = commands.add_parser(
            module.__name__.rpartition(".")[2],
            parents=[*parents, _shared_options(), options],
            help=summary,
            description=summary,
            allow_abbrev=False,
        )
        command.set_defaults(run=run)
    return parser


def _shared_options() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(add_help=False)
    add = options.add_argument
    add("--quick", action="store_true", help="small sizes: a few seconds")
    add("--out", type=Path, default=RESULTS, metavar="DIR", help="folder for the report")
    add("--name", help="file name of the report, without its suffix")
    return options


def _races_options(races: Mapping[str, Race]) -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(add_help=False)
    add = options.add_argument
    add("--sets", nargs="+", metavar="SET", help="default: each race's own; see datasets.py")
    add("--races", nargs="+", choices=list(races), default=list(races))
    return options


def _only_option() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(add_help=False)
    words = "only peers named with a WORD"
    options.add_argument("--only", nargs="+", default=[], metavar="WORD", help=words)
    return options


def _peers_options() -> argparse.ArgumentParser:
    parents = [_races_options(RACES), _only_option()]
    options = argparse.ArgumentParser(add_help=False, parents=parents)
    add = options.add_argument
    gpu = "each race on sets that fill a GPU, if it has such"
    add("--gpu", action="store_true", help=gpu)
    on = "where ours runs too; default: on every backend that finds a GPU"
    add("--on", nargs="+", metavar="BACKEND[=DEVICE]", help=on)
    add("--rounds", type=_positive_int, metavar="N", help=f"default: {DEFAULTS.rounds}")
    budget = f"begin no further round of a set after this; default: {DEFAULTS.max_seconds:g}"
    add("--max-seconds", type=_positive_float, metavar="S", help=budget)
    add("--max-iter", type=_positive_int, metavar="N", help="default: each race's own")
    add("--tol", type=float, help="default: each race's own")
    add("--seed", type=int, default=DEFAULTS.seed)
    return options


def _scaling_options() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(add_help=False)
    add = options.add_argument
    sizes = "auto: gpu where a backend finds one, else cpu"
    add("--grid", choices=["auto", *grid.GRIDS], default="auto", help=sizes)
    add("--backends", nargs="+", default=[], metavar="NAME", help="default: every one installed")
    return options


def _growth_options() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(add_help=False, parents=[_only_option()])
    add = options.add_argument
    add("--rows-of", choices=list(GENERATED), default="normal", help="default: normal")
    add("--rounds", type=_positive_int, metavar="N", default=GROWTH.rounds)
    budget = f"begin no further round of a size after this; default: {GROWTH.max_seconds:g}"
    add("--max-seconds", type=_positive_float, metavar="S", default=GROWTH.max_seconds, help=budget)
    return options


def _memory_options() -> argparse.ArgumentParser:
    parents = [_races_options(memory.RACES), _only_option()]
    options = argparse.ArgumentParser(add_help=False, parents=parents)
    add = options.add_argument
    processes = f"processes that a growth is the median of; default: {memory.ROUNDS}"
    add("--rounds", type=_positive_int, metavar="N", help=processes)
    own = ", ".join(f"{race.max_iter} in {name}" for name, race in memory.RACES.items())
    add("--max-iter", type=_positive_int, metavar="N", help=f"default: {own}")
    return options


def _fresh_options() -> argparse.ArgumentParser:
    parents = [_races_options(fresh.FRESH), _only_option()]
    options = argparse.ArgumentParser(add_help=False, parents=parents)
    add = options.add_argument
    calls = f"calls in each process; default: {fresh.CALLS}"
    add("--calls", type=_positive_int, metavar="N", default=fresh.CALLS, help=calls)
    budget = f"begin no further call of a process after this; default: {fresh.MAX_SECONDS:g}"
    add(
        "--max-seconds",
        type=_positive_float,
        metavar="S",
        default=fresh.MAX_SECONDS,
        help=budget,
    )
    add("--max-iter", type=_positive_int, metavar="N", help="default: each race's own")
    return options


def _compare_options() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(add_help=False, parents=[_races_options(RACES)])
    add = options.add_argument
    add("other", type=Path, metavar=compare.OTHER, help="a folder with another kmeans_xp")
    pairs = f"pairs of processes; default, and least without --quick: {compare.ROUNDS}"
    add("--rounds", type=_positive_int, metavar="N", help=pairs)
    own = ", ".join([f"{compare.LIMIT}", *(f"{v} for {k}" for k, v in compare.LIMITS.items())])
    add("--limit", type=_positive_float, metavar="RATIO", help=f"default: {own}")
    add("--without-numba", action="store_true", help="compare without Numba as well")
    return options


def _selection_options() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(add_help=False)
    add = options.add_argument
    seeds = f"draws of each scenario; default: {selection.SEEDS}"
    add("--seeds", type=_positive_int, metavar="N", help=seeds)
    add("--scenarios", nargs="+", choices=list(SCENARIOS), default=list(SCENARIOS))
    return options


def _small_options() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(add_help=False)
    add = options.add_argument
    add("--calls", nargs="+", choices=list(small.SETS), default=list(small.SETS))
    rounds = f"calls that are timed in each process; default: {small.ROUNDS}"
    add("--rounds", type=_positive_int, metavar="N", help=rounds)
    return options


def _peers(options: argparse.Namespace, command: str) -> None:
    base = QUICK if options.quick else DEFAULTS
    plan = peers.Plan(
        races=_gpu_races(options) if options.gpu else _races(options, RACES),
        settings=Settings(
            rounds=options.rounds or base.rounds,
            max_seconds=options.max_seconds or base.max_seconds,
            seed=options.seed,
            tol=options.tol,
            max_iter=options.max_iter,
        ),
        targets=_targets(options.on),
        only=options.only,
        skip_missing=options.sets is None,
        command=command,
        name=_name(options),
        folder=options.out,
    )
    peers.run(plan)


def _races(options: argparse.Namespace, known: Mapping[str, Race]) -> dict[str, list[Race]]:
    """The races of each set, by its spec."""
    races = [known[name] for name in options.races]
    if options.sets:
        return {check(spec): races for spec in options.sets}
    return _on_sets({race: race.quick_sets if options.quick else race.sets for race in races})


def _gpu_races(options: argparse.Namespace) -> dict[str, list[Race]]:
    """The same with the sets that fill a GPU."""
    if options.sets or options.quick:
        raise ValueError("--gpu has its own sets: leave out --sets and --quick")
    return _on_sets({RACES[name]: RACES[name].gpu_sets for name in options.races})


def _on_sets(sets: Mapping[Race, Sequence[str]]) -> dict[str, list[Race]]:
    """The races of each set, from the sets of each race."""
    specs = dict.fromkeys(spec for own in sets.values() for spec in own)
    return {spec: [race for race, own in sets.items() if spec in own] for spec in specs}


def _scaling(options: argparse.Namespace, command: str) -> None:
    targets = grid.targets(options.backends)
    absent = set(options.backends) - {target.backend for target in targets}
    if absent:
        raise ValueError(f"--backends: {', '.join(sorted(absent))} cannot be used here")
    chosen = grid.choose("quick" if options.quick else options.grid, targets)
    scaling.run(scaling.Plan(chosen, targets, command, _name(options), options.out))


def _gpu(options: argparse.Namespace, command: str) -> None:
    plan = gpu.Plan(
        sizes=ceilings.QUICK if options.quick else ceilings.FULL,
        shapes=gpu.QUICK_SHAPES if options.quick else gpu.SHAPES,
        command=command,
        name=_name(options),
        folder=options.out,
    )
    gpu.run(plan)


def _growth(options: argparse.Namespace, command: str) -> None:
    plan = growth.Plan(
        sweeps=growth.QUICK if options.quick else growth.SWEEPS,
        rows_of=options.rows_of,
        settings=Settings(rounds=options.rounds, max_seconds=options.max_seconds),
        only=options.only,
        command=command,
        name=_name(options),
        folder=options.out,
    )
    growth.run(plan)


def _memory(options: argparse.Namespace, command: str) -> None:
    plan = memory.Plan(
        races=_races(options, memory.RACES),
        rounds=options.rounds or (1 if options.quick else memory.ROUNDS),
        max_iter=options.max_iter,
        only=options.only,
        skip_missing=options.sets is None,
        command=command,
        name=_name(options),
        folder=options.out,
    )
    memory.run(plan)


def _fresh(options: argparse.Namespace, command: str) -> None:
    plan = fresh.Plan(
        races=_races(options, fresh.FRESH),
        calls=3 if options.quick else options.calls,
        max_seconds=options.max_seconds,
        max_iter=options.max_iter,
        only=options.only,
        skip_missing=options.sets is None,
        command=command,
        name=_name(options),
        folder=options.out,
    )
    fresh.run(plan)


def _compare(options: argparse.Namespace, command: str) -> int:
    least = 1 if options.quick else compare.ROUNDS
    rounds = options.rounds or least
    if rounds < least:
        raise ValueError(f"--rounds must be at least {least} without --quick, got {rounds}")
    plan = compare.Plan(
        other=options.other.resolve(),
        races=_races(options, RACES),
        rounds=rounds,
        limit=options.limit,
        without_numba=options.without_numba,
        skip_missing=options.sets is None,
        command=command,
        name=_name(options),
        folder=options.out,
    )
    return 0 if compare.run(plan) else 1


def _selection(options: argparse.Namespace, command: str) -> int:
    seeds = options.seeds or (selection.QUICK_SEEDS if options.quick else selection.SEEDS)
    if seeds < 2:
        raise ValueError(f"--seeds must be at least 2, for a standard error, got {seeds}")
    plan = selection.Plan(
        scenarios=[SCENARIOS[name] for name in options.scenarios],
        seeds=seeds,
        workers=len(usable_cpus()),
        command=command,
        name=_name(options),
        folder=options.out,
    )
    # A few seeds show that it runs, and decide nothing.
    return 0 if selection.run(plan) or options.quick else 1


def _small(options: argparse.Namespace, command: str) -> int:
    plan = small.Plan(
        calls=options.calls,
        quick=options.quick,
        rounds=options.rounds or (3 if options.quick else small.ROUNDS),
        command=command,
        name=_name(options),
        folder=options.out,
    )
    # A few calls show that it runs, and decide nothing.
    return 0 if small.run(plan) or options.quick else 1


def _targets(named: Sequence[str] | None) -> list[grid.Target]:
    """Where ours runs besides NumPy: as named, else on every GPU that a backend finds."""
    if named is None:
        return [target for target in grid.targets() if target.is_gpu]
    chosen = []
    for name in named:
        backend, _, device = name.partition("=")
        fitting = [t for t in grid.targets([backend]) if device in {"", t.device}]
        if not fitting:
            known = ", ".join(f"{t.backend}={t.device}" for t in grid.targets())
            raise ValueError(f"--on must name one of {known}; got {name!r}")
        chosen += fitting
    return chosen


def command_of(options: argparse.Namespace, parser: argparse.ArgumentParser) -> str:
    """The command that repeats a run: what differs from the defaults, but none of its folders."""
    given = [options.benchmark, *([compare.OTHER] if "other" in options else [])]
    defaults = vars(parser.parse_args(given))
    words = [*PROGRAM.split(), *given]
    for option, value in vars(options).items():
        if value == defaults[option] or option in {"other", "out", "name"}:
            continue
        words.append(f"--{option.replace('_', '-')}")
        if isinstance(value, list):
            words += map(str, value)
        elif value is not True:
            words.append(str(value))
    return shlex.join(words)


def _name(options: argparse.Namespace) -> str:
    return options.name or f"{options.benchmark}{'-quick' if options.quick else ''}"


def _positive_int(text: str) -> int:
    if not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"must be a whole number above 0, got {text}")
    return int(text)


def _positive_float(text: str) -> float:
    value = float(text)
    if not value > 0:
        raise argparse.ArgumentTypeError(f"must be above 0, got {text}")
    return value
