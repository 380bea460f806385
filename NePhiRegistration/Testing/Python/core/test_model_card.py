"""The model card speaks of the weights that lie beside it."""

import re
from pathlib import Path

import pytest

from NePhiCore.checkpoint import load_checkpoint
from NePhiCore.model_store import available_models


@pytest.fixture(scope="module")
def card(repository) -> str:
    text = (repository / "NePhiRegistration/Resources/Models/MODEL_CARD.md").read_text(encoding="utf-8")
    return " ".join(text.split())


@pytest.fixture(scope="module", params=available_models(), ids=lambda path: path.name)
def weights(request) -> Path:
    return request.param


def test_card_names_the_file_by_its_sha256(card, weights):
    named = re.findall(r"\| file \| `([^`]+)`[^|]*\| \| sha256 \| `(\w{64})`", card)
    assert (weights.name, load_checkpoint(weights).sha256) in named


def test_card_counts_the_weights(card, weights):
    model = load_checkpoint(weights).model
    encoder = sum(parameter.numel() for parameter in model.encoder.parameters())
    networks = sum(parameter.numel() for parameter in model.coordinate_parameters())
    counts = [f"{count:,}".replace(",", " ") for count in (encoder + networks, encoder, networks)]
    assert "weights | {}: encoder {}, the two coordinate networks {} |".format(*counts) in card
    assert f"local {model.config.local_channels} x {model.config.local_size}^3" in card


def test_card_tells_the_training_that_the_file_records(card, weights):
    options = load_checkpoint(weights).origin["options"]
    said = (
        "{steps} steps of {batch} pairs, {points} points a pair, rate {rate}, a share of {synthetic_share} of random "
        "smooth motions, seed {seed}, {precision}."
    )
    assert said.format(**options) in card


def test_every_scan_that_the_file_records_is_cited(card, weights):
    """File names begin with the collection's or patient's letters: the card's table has a row for each patient."""
    patients = {"CPTAC_C3N-00247": "C3N-00247", "LIDC-IDRI-0002": "LIDC-IDRI-0002", "TCGA-DE-A4MA": "TCGA-DE-A4MA"}
    patients |= {"LungFCP-01-0001": "Lung-Fused-CT-Pathology | 01-0001", "Lung_Dx-A0001": "Lung-PET-CT-Dx | A0001"}
    for scan in scans(load_checkpoint(weights).origin):
        patient = next((named for start, named in patients.items() if scan.startswith(start)), None)
        assert patient and f"| {patient}" in card, f"{scan} was trained on and is not in the card"
    assert "LIDC-IDRI-0001" not in " ".join(scans(load_checkpoint(weights).origin))


def scans(origin: dict) -> set[str]:
    """Names of the CT files that the training pairs were made from."""
    made = [m for stretch in origin["stretches"] for source in stretch["data"].values() for m in source.get("made", [])]
    return {name for entry in made for name in entry["ct_sha256"]}
