"""How commands end."""

import pytest

from NePhiCore.errors import SettingsError
from training.command import run_command


def test_what_the_user_can_cure_is_said_without_a_traceback():
    def main():
        raise SettingsError("Choose another.")

    with pytest.raises(SystemExit, match="^error: Choose another.$"):
        run_command(main)


def test_faults_of_the_program_keep_their_traceback():
    def main():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_command(main)
