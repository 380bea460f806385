"""Outliers, derived by hand: robust deviations from the median, on the side that is worse."""

import pytest

from NePhiBatch.report_cases import Case
from NePhiBatch.report_columns import BOTH, HIGH, LOW, Column, columns_of
from NePhiBatch.report_outliers import findings, order

# Median 1, absolute deviations 0, 0, 0.1 (4 times), 0.2, 0.2: their median is 0.1, the robust deviation 0.14826 mm.
EIGHT = [1.0, 1.0, 0.9, 1.1, 0.9, 1.1, 0.8, 1.2]


def case(name="a", status="done", warnings=(), **figures) -> Case:
    figures = {column: value for column, value in figures.items() if value is not None}
    return Case(name, status, "", figures, {}, list(warnings), {}, {}, [], None)


def out(values, worse=HIGH, least=1e-9, **properties) -> list[int]:
    """Indices of the outliers among values."""
    column = Column("x", "Figure", "mm", worse=worse, least=least, **properties)
    found = findings([case(x=value) for value in values], [column])
    return [index for index, remarks in enumerate(found) if remarks]


# With one case more the median stays 1 and the middle of the nine absolute deviations 0.1: 3.5 x 0.14826 = 0.519.
@pytest.mark.parametrize(("value", "is_out"), [(1.50, False), (1.53, True), (0.4, False)])
def test_high_figures_are_out_from_three_and_a_half_deviations_on(value, is_out):
    assert out([*EIGHT, value]) == ([8] if is_out else [])


@pytest.mark.parametrize(("worse", "expected"), [(HIGH, [9]), (LOW, [8]), (BOTH, [8, 9]), ("", [])])
def test_only_the_worse_side_counts(worse, expected):
    assert out([*EIGHT, 0.3, 1.7], worse) == expected


def test_a_difference_that_nobody_would_call_one_is_none():
    assert out([1.0] * 20 + [1.001], least=0.1) == []
    assert out([1.0] * 20 + [1.4], least=0.1) == [20]


def test_one_fold_among_none_is_seen():
    (column,) = columns_of({"folds_one_sided_percent": [0]})
    cases = [case(folds_one_sided_percent=0.0) for _ in range(20)] + [case(folds_one_sided_percent=0.05)]
    found = findings(cases, [column])
    assert [remark.text for remark in found[20]] == ["Folds high: 0.05 %, median 0 %"]
    assert not any(found[:20])


def test_ratios_are_compared_by_their_logarithm():
    """Half and double are equally far from one; 4 and a quarter twice as far."""
    ratios = [0.5, 2.0, 1.0, 0.5, 2.0, 1.0, 1.0, 0.5, 2.0]
    assert out([*ratios, 64.0], is_logarithmic=True) == [9]
    assert out([*ratios, 1 / 64], LOW, is_logarithmic=True) == [9]
    assert out([*ratios, -0.1], LOW, is_logarithmic=True) == [9]
    assert out([*ratios, 8.0], is_logarithmic=True) == []


def test_few_cases_are_no_cohort():
    assert out([1, 1, 1, 1, 1, 1, 99]) == []
    assert out([1, 1, 1, 1, 1, 1, 1, 99]) == [7]


def test_cases_without_a_figure_are_left_out():
    column = Column("x", "Figure", worse=HIGH)
    cases = [case(x=value) for value in EIGHT] + [case(), case(x=9.0)]
    assert [len(remarks) for remarks in findings(cases, [column])] == [0] * 9 + [1]


def test_worse_than_before_is_remarkable_in_any_cohort():
    columns = columns_of({"tre_mean_mm": [], "tre_before_mean_mm": [], "local_ncc": [], "local_ncc_before": []})
    bad = case(tre_mean_mm=9.0, tre_before_mean_mm=8.0, local_ncc=0.2, local_ncc_before=0.3)
    good = case(tre_mean_mm=1.0, tre_before_mean_mm=8.0, local_ncc=0.9, local_ncc_before=0.3)
    found = findings([bad, good], columns)
    assert [remark.text for remark in found[0]] == [
        "TRE is worse than before registration",
        "Similarity is worse than before registration",
    ]
    assert found[1] == []


def test_the_order_is_failed_outliers_warned_rest():
    cases = [case("rest"), case("warned", warnings=["w"]), *(case(f"c{n}", x=value) for n, value in enumerate(EIGHT))]
    cases += [case("out", x=5.0), case("far", x=9.0), case("failed", "failed"), case("refused", "refused")]
    found = findings(cases, [Column("x", "Figure", worse=HIGH)])
    names = [cases[index].name for index in order(cases, found)]
    assert names[:6] == ["failed", "refused", "far", "out", "warned", "rest"]


def test_the_words_name_figure_value_and_median():
    column = Column("x", "TRE", "mm", 2, worse=HIGH)
    found = findings([case(x=value) for value in [*EIGHT, 9.314]], [column])
    assert found[8][0].text == "TRE high: 9.31 mm, median 1.00 mm"


def test_known_columns_come_first_and_others_are_named_after_themselves():
    columns = columns_of(
        {
            "mystery_share_percent": [12.3],
            "seconds": [3],
            "tre_mean_mm": [1],
            "age": [63.0],
            "prm_normal_percent_left": [],
        }
    )
    assert [(c.title, c.unit, c.is_key) for c in columns] == [
        ("TRE", "mm", True),
        ("Time", "s", True),
        ("Mystery share", "%", False),
        ("Age", "", False),
        ("PRM normal, left", "%", False),
    ]
