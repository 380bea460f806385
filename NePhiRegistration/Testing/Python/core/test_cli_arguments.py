from pathlib import Path

import pytest

from NePhiCore.cli_arguments import parse_arguments
from NePhiCore.errors import SettingsError


def test_register_has_a_pair_and_a_transform():
    options = parse_arguments(["register", "f.nii", "m.nii", "--transform", "t.h5"])
    assert (options.command, options.fixed, options.moving) == ("register", Path("f.nii"), Path("m.nii"))
    assert (options.transform, options.warped, options.preset) == (Path("t.h5"), None, "balanced")


def test_demo_has_a_folder():
    options = parse_arguments(["demo", "--output", "d", "--seed", "3"])
    assert (options.command, options.output, options.seed, options.model) == ("demo", Path("d"), 3, None)


def test_evaluate_finds_out_what_is_not_said():
    options = parse_arguments(["evaluate", "DIRLAB", "--output", "results"])
    assert (options.command, options.source, options.output) == ("evaluate", Path("DIRLAB"), Path("results"))
    assert (options.dataset, options.fixed, options.cases, options.preset) == (None, None, None, "balanced")
    assert not (options.plot or options.keep_transforms or options.quiet)


def test_evaluate_takes_cases_in_the_order_given():
    options = parse_arguments(["evaluate", "s", "--output", "o", "--cases", "10, 2,5", "--fixed", "inhale"])
    assert (options.cases, options.fixed) == ([10, 2, 5], "inhale")


@pytest.mark.parametrize(
    ("arguments", "cause"),
    [
        ([], "COMMAND"),
        (["regsiter"], "invalid choice"),  # codespell:ignore regsiter (a slip of the keyboard)
        (["register", "f", "m"], "--transform"),
        (["register", "f", "m", "--trans", "t.h5"], "--transform"),  # no option by its beginning
        (["evaluate", "s"], "--output"),
        (["evaluate", "s", "--output", "o", "--keep-partial"], "unrecognized arguments: --keep-partial"),
        (["evaluate", "s", "--output", "o", "--cases", "2,,3"], "different numbers like 1,2,5, got '2,,3'"),
        (["evaluate", "s", "--output", "o", "--cases", "2,2"], "different numbers"),
        (["evaluate", "s", "--output", "o", "--fixed", "mid"], "invalid choice"),
    ],
)
def test_mistakes_are_answered_with_where_to_look(arguments, cause):
    with pytest.raises(SettingsError, match=r"\(see nephi.* --help\)\.$") as caught:
        parse_arguments(arguments)
    assert cause in str(caught.value)
