"""The answer to one question of a choice, with the reason in words."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Verdict:
    """Whether something holds, and why.

    Attributes
    ----------
    holds : bool
    reason : str
        What was compared with what; part of a sentence.
    """

    holds: bool
    reason: str

    def __bool__(self) -> bool:
        return self.holds
