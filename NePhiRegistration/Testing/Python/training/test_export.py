"""From a training run to the weights file of the product."""

import torch
from training_cases import CONFIG, same_tensors, train

from NePhiCore.checkpoint import load_checkpoint
from training.export import main
from training.provenance import sha256_of


def test_a_run_becomes_a_model_that_the_product_loads(tmp_path, capsys):
    run = train(tmp_path / "run.pt", "--steps", 3, "--rate", 0.01)
    main([str(tmp_path / "run.pt"), str(tmp_path / "weights.pt"), "--note", "three steps"])
    loaded = load_checkpoint(tmp_path / "weights.pt")
    assert loaded.model.config == CONFIG and same_tensors(loaded.model.state_dict(), run["model"])
    assert not same_tensors(run["model"], run["raw"])
    assert loaded.origin["note"] == "three steps" and loaded.origin["steps"] == 3
    assert loaded.origin["options"] == run["options"] and loaded.origin["stretches"] == run["stretches"]
    assert sha256_of(tmp_path / "weights.pt") in capsys.readouterr().out


def test_no_path_of_the_machine_that_trained_travels(tmp_path):
    train(tmp_path / "run.pt", "--steps", 1)
    main([str(tmp_path / "run.pt"), str(tmp_path / "weights.pt")])
    origin = torch.load(tmp_path / "weights.pt", weights_only=True)["origin"]
    assert str(tmp_path) not in str(origin) and "/" not in str(origin)
