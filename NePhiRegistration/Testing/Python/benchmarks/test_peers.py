"""What happens where a peer is not installed, and that each has its script."""

import sys
from types import SimpleNamespace

from benchmarks.peers import PEERS, SCRIPTS, Peer, is_installed, measure_peer


def test_every_peer_has_a_script_that_says_what_it_runs():
    for peer in PEERS:
        text = (SCRIPTS / peer.script).read_text()
        assert text.startswith('"""'), peer.name
        compile(text, peer.script, "exec")


def test_what_is_not_installed_says_how_to_get_it_and_runs_nothing():
    missing = Peer("a tool", "ants_syn.py", "no_such_module_anywhere", "no-such-package")
    assert not is_installed(missing, sys.executable)
    m = measure_peer(missing, SimpleNamespace(name="d1"), sys.executable, 2, 1)
    assert m.runs == 0 and "pip install no-such-package" in m.failed


def test_what_is_there_is_found():
    assert is_installed(Peer("numpy", "", "numpy", "numpy"), sys.executable)
