"""PyTorch alone, as users write it: a product with all centres, argmin, index_add_."""

from __future__ import annotations

from typing import Any

from benchmarks.problem import Outcome, Problem, Run

# Entries of a block's distances.
ENTRIES = 2**28


def lloyd(problem: Problem) -> Run:
    """As many iterations as ours took, on the GPU where there is one."""
    import torch

    if problem.iterations is None:
        raise ValueError("torch needs the iterations that ours took, so ours runs first")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    X, start = (torch.asarray(array, device=device) for array in (problem.X, problem.start))
    iterations = problem.iterations

    def run() -> Outcome:
        centers = start
        for _ in range(iterations):
            centers = _means(X, _nearest(X, centers), centers)
        return Outcome(centers.cpu().numpy(), _nearest(X, centers).cpu().numpy(), iterations)

    run()  # Allocates.
    return run


def _nearest(X: Any, centers: Any) -> Any:
    """The nearest centre of each row, without the rows' norms, which decide nothing."""
    import torch

    halves = (centers**2).sum(dim=1) / 2
    step = max(1, ENTRIES // len(centers))
    found = [
        torch.addmm(halves, block, centers.T, alpha=-1).argmin(dim=1) for block in X.split(step)
    ]
    return torch.cat(found)


def _means(X: Any, labels: Any, centers: Any) -> Any:
    """The mean of each cluster's rows; an empty one keeps its centre."""
    import torch

    sums = torch.zeros_like(centers).index_add_(0, labels, X)
    counts = torch.bincount(labels, minlength=len(centers))[:, None]
    return torch.where(counts > 0, sums / counts, centers)
