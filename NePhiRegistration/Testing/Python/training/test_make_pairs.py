"""The command that makes pairs: files as training reads them, a function of seed and number."""

import json
import shutil

import numpy as np
import pytest
import torch
from training_cases import SMALL_SEARCH, a_subject, same_tensors

from NePhiCore.errors import SettingsError
from training import make_pairs, simulated_pairs
from training.make_pairs import Patients, main
from training.provenance import sha256_of

SCANS = ["first", "second", "third"]


def patients(seed=0, phantom_share=0.5, scans=SCANS) -> Patients:
    return Patients(scans, phantom_share, seed, "cpu")


@pytest.fixture
def named_phantoms(monkeypatch):
    """Phantoms that are their seed."""

    class Named(int):
        def to(self, device):
            return self

    monkeypatch.setattr(make_pairs, "phantom_subject", Named)


@pytest.fixture
def small_pairs(monkeypatch):
    monkeypatch.setattr(make_pairs, "phantom_subject", lambda seed: a_subject())
    monkeypatch.setattr(simulated_pairs, "SEARCH_SIZE", SMALL_SEARCH)


def make(folder, *options) -> dict:
    main(["--out", str(folder), "--count", "2", *options])
    return {path.name: torch.load(path, weights_only=True) for path in sorted(folder.glob("*.pt"))}


def test_who_a_pair_is_made_of_does_not_depend_on_the_pairs_before(named_phantoms):
    in_order, source = patients(), patients()
    expected = [in_order.of_pair(number) for number in range(20)]
    assert [source.of_pair(number) for number in reversed(range(20))] == expected[::-1]
    assert expected != [patients(seed=1).of_pair(number) for number in range(20)]


def test_pairs_in_a_row_share_a_patient_and_the_share_of_phantoms_holds(named_phantoms):
    source = patients(phantom_share=0.25)
    chosen = [source.of_pair(number) for number in range(400)]
    assert chosen[::2] == chosen[1::2]
    assert set(SCANS) < set(chosen) and 0.15 < np.mean([who not in SCANS for who in chosen]) < 0.35


def test_without_scans_all_are_phantoms(named_phantoms):
    source = patients(scans=[])
    assert all(isinstance(source.of_pair(number), int) for number in range(6))


def test_files_hold_what_training_reads_and_stay_when_made_again(tmp_path, small_pairs):
    made = make(tmp_path / "pairs")
    assert list(made) == ["pair-0000-00000.pt", "pair-0000-00001.pt"]
    pair = made["pair-0000-00000.pt"]
    assert pair["matches"].shape == (16, 41, 41, 41) and pair["forth"].shape == pair["back"].shape == (3, 48, 48, 48)
    assert pair["matches"].dtype == torch.float16 and pair["matches"].isfinite().all()
    (tmp_path / "pairs" / "pair-0000-00000.pt").unlink()
    again = make(tmp_path / "pairs")
    assert all(same_tensors(made[name], again[name]) for name in made)
    assert not list((tmp_path / "pairs").glob("*.part"))


def test_the_folder_tells_what_its_pairs_are_made_from(tmp_path, shared_data):
    ct = tmp_path / "ct"
    ct.mkdir()
    shutil.copy(shared_data / "chest_ct" / "LungFCP-01-0001_apices.nii.gz", ct / "apices.nii.gz")
    main(["--out", str(tmp_path), "--count", "0", "--seed", "7", "--ct", str(ct)])
    origin = json.loads((tmp_path / "made-0007.json").read_text())
    assert origin["ct_sha256"] == {"apices.nii.gz": sha256_of(ct / "apices.nii.gz")}
    assert origin["seed"] == 7 and origin["commit"] and origin["phantom_share"] == 0.25


def test_a_folder_without_ct_is_an_error(tmp_path):
    with pytest.raises(SettingsError, match="holds no chest CT"):
        main(["--out", str(tmp_path / "pairs"), "--ct", str(tmp_path)])
