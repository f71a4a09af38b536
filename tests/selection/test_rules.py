"""The rules of R's `cluster::maxSE`: its documented example, and each rule by hand."""

import numpy as np
import pytest

from kmeans_xp.selection.rules import RULES, index_of_maximum

# The example of ?clusGap in R, for its SE.factor of 1/4, 1, 2 and 4, and R's answers, from 1.
VALUES = [2, 3, 5, 4, 7, 8, 5, 4]
ERRORS = np.array([1, 1, 2, 1, 1, 3, 1, 1]) / 2
FACTORS = (0.25, 1, 2, 4)
ANSWERS = {
    "firstSEmax": (3, 3, 2, 1),
    "tibshirani": (3, 3, 1, 1),
    "globalSEmax": (6, 5, 3, 1),
    "firstmax": (3, 3, 3, 3),
    "globalmax": (6, 6, 6, 6),
}


def test_every_rule_is_tried():
    assert ANSWERS.keys() == RULES.keys()


@pytest.mark.parametrize("rule", ANSWERS)
def test_the_example_of_r(rule):
    found = [index_of_maximum(VALUES, factor * ERRORS, rule) + 1 for factor in FACTORS]
    assert found == list(ANSWERS[rule])


@pytest.mark.parametrize(
    ("rule", "values", "errors", "index"),
    [
        # No maximum before the end: the last.
        ("firstmax", [1.0, 2.0, 3.0], [0.0] * 3, 2),
        ("firstSEmax", [1.0, 2.0, 3.0], [0.5] * 3, 2),
        ("tibshirani", [1.0, 2.0, 3.0], [0.5] * 3, 2),
        ("globalSEmax", [1.0, 2.0, 3.0], [0.5] * 3, 2),
        # A plateau is a maximum where it begins.
        ("firstmax", [1.0, 2.0, 2.0, 3.0], [0.0] * 4, 1),
        ("globalmax", [1.0, 3.0, 3.0], [0.0] * 3, 1),
        ("tibshirani", [2.0, 2.0, 3.0], [0.0] * 3, 0),
        # Equal to the bound is enough.
        ("firstSEmax", [1.5, 2.0, 1.0], [9.0, 0.5, 9.0], 0),
        ("globalSEmax", [1.5, 1.0, 2.0], [9.0, 9.0, 0.5], 0),
        ("tibshirani", [1.5, 2.0, 9.0], [9.0, 0.5, 0.5], 0),
        # It is the maximum's error that counts, by Tibshirani's rule the next one's.
        ("firstSEmax", [1.4, 2.0, 1.0], [9.0, 0.5, 9.0], 1),
        ("tibshirani", [1.4, 2.0, 1.0], [9.0, 0.5, 0.0], 1),
        # The first maximum is not the largest.
        ("firstSEmax", [1.0, 0.5, 9.0], [0.1] * 3, 0),
        ("globalSEmax", [1.0, 0.5, 9.0], [0.1] * 3, 2),
        # By Tibshirani's rule a slow rise ends before the maximum.
        ("tibshirani", [1.0, 3.0, 3.2, 3.4, 1.0], [0.3] * 5, 1),
        ("firstSEmax", [1.0, 3.0, 3.2, 3.4, 1.0], [0.3] * 5, 2),
    ],
)
def test_by_hand(rule, values, errors, index):
    assert index_of_maximum(values, errors, rule) == index


@pytest.mark.parametrize("rule", RULES)
def test_a_single_value(rule):
    assert index_of_maximum([0.3], [0.1], rule) == 0


@pytest.mark.parametrize("rule", ["firstSEmax", "globalSEmax"])
@pytest.mark.parametrize("seed", range(20))
def test_without_errors_the_maximum_itself(rule, seed):
    values = np.random.default_rng(seed).normal(size=8)
    assert index_of_maximum(values, np.zeros(8), rule) == index_of_maximum(
        values, np.zeros(8), rule.replace("SE", "")
    )
