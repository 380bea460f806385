"""The tree of errors: one base, and the exit code that each of them ends the command with."""

import inspect
import pickle

import pytest

from NePhiCore import errors
from NePhiCore.errors import NePhiError, OptimisationDivergedError, RegistrationCancelled, where_raised
from NePhiCore.settings import settings_for

EXIT_CODES = {
    "NePhiError": 2,
    "InvalidVolumeError": 2,
    "InvalidLandmarksError": 2,
    "InvalidTransformError": 2,
    "ModelFileError": 2,
    "SettingsError": 2,
    "DependencyError": 2,
    "DeviceError": 2,
    "OutputError": 2,
    "DeviceMemoryError": 3,
    "OptimisationDivergedError": 3,
    "RegistrationCancelled": 130,
}


def test_every_error_has_its_exit_code():
    found = {name: kind.exit_code for name, kind in inspect.getmembers(errors, inspect.isclass)}
    assert found == EXIT_CODES


@pytest.mark.parametrize("name", EXIT_CODES)
def test_one_base_catches_every_error_and_the_message_is_what_was_given(name):
    with pytest.raises(NePhiError, match="^the spacing is 0 mm$"):
        raise getattr(errors, name)("the spacing is 0 mm")


@pytest.mark.parametrize(("kind", "name"), [(OptimisationDivergedError, "trace"), (RegistrationCancelled, "partial")])
def test_what_there_was_so_far_travels_with_the_error(kind, name):
    error = kind("stopped", ["so far"])
    assert str(error) == "stopped"
    assert getattr(error, name) == ["so far"]
    assert getattr(kind("stopped"), name) is None


@pytest.mark.parametrize(("kind", "name"), [(OptimisationDivergedError, "trace"), (RegistrationCancelled, "partial")])
def test_what_there_was_so_far_survives_the_way_between_two_processes(kind, name):
    error = pickle.loads(pickle.dumps(kind("stopped", ["so far"])))
    assert (type(error), str(error), getattr(error, name)) == (kind, "stopped", ["so far"])


def test_the_place_of_an_error_is_the_last_one_in_this_package():
    with pytest.raises(NePhiError) as caught:
        settings_for("no such preset")
    file, line = where_raised(caught.value).split(", line ")
    assert file == "settings.py" and int(line) > 1
    with pytest.raises(ZeroDivisionError) as caught:
        raise ZeroDivisionError
    assert where_raised(caught.value) == "outside this package"
