"""The run's file: the whole state, small enough to travel, never a broken one."""

import pytest
import torch
from training_cases import CONFIG, same_tensors

from NePhiCore.errors import ModelFileError, OptimisationDivergedError, SettingsError
from NePhiCore.model import ModelConfig, NePhiModel
from NePhiCore.model_store import default_model_path
from training.run_file import KEPT_OPTIONS, LARGEST_FILE_BYTES, TrainingRun, read_run, read_weights

OPTIONS = dict.fromkeys(KEPT_OPTIONS, 1)
STRETCH = {"steps": [0, 1], "commit": "abc", "data": {"simulated": {"sha256": "1" * 64}}}


def a_run(config=CONFIG) -> TrainingRun:
    """After one step of random gradients."""
    torch.manual_seed(0)
    run = TrainingRun.begin(config, "cpu")
    for parameter in run.model.parameters():
        parameter.grad = torch.randn_like(parameter)
    run.optimiser.step()
    run.update_average()
    run.step = 1
    return run


def saved(run: TrainingRun, path, stretch=STRETCH) -> dict:
    run.save(path, OPTIONS, stretch)
    return read_run(path)


def test_a_run_comes_back_whole(tmp_path):
    run = a_run()
    again = TrainingRun.resume(saved(run, tmp_path / "run.pt"), "cpu")
    assert again.step == 1 and again.model.config == CONFIG
    assert same_tensors(run.model.state_dict(), again.model.state_dict())
    assert same_tensors(run.average.state_dict(), again.average.state_dict())
    assert not same_tensors(again.model.state_dict(), again.average.state_dict())
    states = run.optimiser.state_dict()["state"], again.optimiser.state_dict()["state"]
    assert all(same_tensors(states[0][number], states[1][number]) for number in states[0])
    assert not any(parameter.requires_grad for parameter in again.average.parameters())


def test_the_file_tells_what_made_it(tmp_path):
    content = saved(a_run(), tmp_path / "run.pt")
    assert content["config"] == CONFIG.as_dict() and content["options"] == OPTIONS and content["stretches"] == [STRETCH]


def test_a_run_of_the_default_model_travels(tmp_path):
    a_run(ModelConfig()).save(tmp_path / "run.pt", OPTIONS, STRETCH)
    size = (tmp_path / "run.pt").stat().st_size
    assert 0.9 * LARGEST_FILE_BYTES < size <= LARGEST_FILE_BYTES == 16 * 1024 * 1024


def test_a_model_that_could_not_travel_is_refused_before_it_is_trained():
    with pytest.raises(SettingsError, match="Choose a smaller model"):
        TrainingRun.begin(ModelConfig(encoder_width=64), "cpu")


def test_the_mean_forgets_the_first_weights_fast_and_later_ones_slowly():
    run = TrainingRun.begin(CONFIG, "cpu")
    weight, mean = run.model.fixed_to_moving.output.weight, run.average.fixed_to_moving.output.weight
    torch.nn.init.constant_(weight, 1.0)
    run.update_average()  # at step 0: keeps 1 / 10
    assert torch.allclose(mean, torch.full_like(mean, 0.9))
    run.step = 100_000  # keeps 0.998
    torch.nn.init.constant_(weight, 2.0)
    run.update_average()
    assert torch.allclose(mean, torch.full_like(mean, 0.9 + 0.002 * 1.1))


def test_a_diverged_run_leaves_the_last_good_file(tmp_path):
    run = a_run()
    before = saved(run, tmp_path / "run.pt")
    torch.nn.init.constant_(run.model.fixed_to_moving.output.weight, float("nan"))
    with pytest.raises(OptimisationDivergedError, match="lower --rate"):
        run.save(tmp_path / "run.pt", OPTIONS, STRETCH)
    assert same_tensors(before["raw"], read_run(tmp_path / "run.pt")["raw"])


def test_stretches_of_the_same_data_and_commit_are_told_as_one(tmp_path):
    run = TrainingRun.resume(saved(a_run(), tmp_path / "run.pt"), "cpu")
    assert saved(run, tmp_path / "run.pt", {**STRETCH, "steps": [1, 9]})["stretches"] == [{**STRETCH, "steps": [0, 9]}]
    run = TrainingRun.resume(read_run(tmp_path / "run.pt"), "cpu")
    other = {**STRETCH, "steps": [9, 12], "commit": "def"}
    assert saved(run, tmp_path / "run.pt", other)["stretches"] == [{**STRETCH, "steps": [0, 9]}, other]


def test_only_a_run_can_be_resumed(tmp_path):
    torch.save({"model": {}, "step": 3}, tmp_path / "weights.pt")
    with pytest.raises(ModelFileError, match="--start-from"):
        read_run(tmp_path / "weights.pt")


@pytest.mark.parametrize("content", [None, b"", b"no archive at all"])
@pytest.mark.parametrize("read", [read_run, read_weights])
def test_missing_and_damaged_files_are_named(tmp_path, content, read):
    if content is not None:
        (tmp_path / "run.pt").write_bytes(content)
    with pytest.raises(ModelFileError, match="run.pt cannot be read"):
        read(tmp_path / "run.pt")


def test_a_new_run_begins_from_the_mean_weights_of_another(tmp_path):
    run = a_run()
    saved(run, tmp_path / "run.pt")
    config, weights = read_weights(tmp_path / "run.pt")
    begun = TrainingRun.begin(config, "cpu", weights)
    assert begun.step == 0 and same_tensors(begun.model.state_dict(), run.average.state_dict())


def test_a_new_run_begins_from_the_weights_that_ship():
    config, weights = read_weights(default_model_path())
    assert same_tensors(TrainingRun.begin(config, "cpu", weights).average.state_dict(), weights)


def test_weights_alone_are_of_the_default_model(tmp_path):
    model = NePhiModel()
    torch.save({"model": model.state_dict(), "raw": {}, "step": 5, "options": {}}, tmp_path / "old.pt")
    config, weights = read_weights(tmp_path / "old.pt")
    assert config == ModelConfig() and same_tensors(weights, model.state_dict())


def test_weights_of_another_model_are_refused():
    with pytest.raises(ModelFileError, match="do not fit"):
        TrainingRun.begin(ModelConfig(), "cpu", NePhiModel(CONFIG).state_dict())


def test_a_file_without_weights_is_refused(tmp_path):
    torch.save({"something": 1}, tmp_path / "else.pt")
    with pytest.raises(ModelFileError, match="holds no weights"):
        read_weights(tmp_path / "else.pt")
