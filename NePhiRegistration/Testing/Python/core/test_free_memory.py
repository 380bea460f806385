"""How much memory this computer has free."""

from NePhiCore.free_memory import free_main_memory_bytes, gigabytes


def test_there_is_some():
    assert free_main_memory_bytes() > 10_000_000


def test_bytes_in_words():
    assert gigabytes(1.5 * 2**30) == "1.5 GB"
