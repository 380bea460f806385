"""Commits and hashes."""

import hashlib
import subprocess

from training import provenance
from training.provenance import commit, sha256_of


def test_the_commit_is_that_of_this_source_tree():
    words = commit()
    assert words == "unknown" or len(words.removesuffix("-dirty")) == 40


def test_a_tree_outside_of_git_has_no_known_commit(monkeypatch, tmp_path):
    def fails(*arguments, **options):
        raise subprocess.CalledProcessError(128, "git")

    monkeypatch.setattr(provenance.subprocess, "run", fails)
    assert commit() == "unknown"


def test_the_hash_is_that_of_the_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"x" * 3_000_000)
    assert sha256_of(tmp_path / "a") == hashlib.sha256(b"x" * 3_000_000).hexdigest()


def test_a_folder_is_hashed_in_the_order_of_names(tmp_path):
    (tmp_path / "2").write_bytes(b"second")
    (tmp_path / "1").write_bytes(b"first ")
    assert sha256_of(tmp_path) == hashlib.sha256(b"first second").hexdigest()
