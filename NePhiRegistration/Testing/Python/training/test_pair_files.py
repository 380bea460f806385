"""Reading pairs: the same for the same seed, mirrored and exchanged without breaking their truth."""

import json

import pytest
import torch
from training_cases import MATCHES_SIZE, folder_of_pairs, generators, made_pair

from NePhiCore.encoder import matched_displacements
from NePhiCore.errors import SettingsError
from NePhiCore.sampling import read_image
from training.pair_files import PairFiles, exchanged_matches, mirrored_matches, varied, varied_batch


def test_a_mirror_moves_values_to_the_other_side_and_turns_x():
    """A displacement (z, y, x) of (1, 2, 3) at one place lies at the mirrored place as (1, 2, -3)."""
    forth = torch.zeros(3, 4, 4, 4)
    forth[:, 1, 2, 3] = torch.tensor([1.0, 2, 3])
    _, mirrored, _ = varied(torch.zeros(16, 4, 4, 4), forth, forth, mirror=True, exchange=False)
    assert mirrored[:, 1, 2, 0].tolist() == [1, 2, -3] and mirrored.count_nonzero() == 3


def test_matches_are_mirrored_like_the_motion_they_found():
    matches = made_pair()["matches"].float()
    before, after = matched_displacements(matches[None]), matched_displacements(mirrored_matches(matches)[None])
    for plain, mirrored in zip(before, after):
        assert torch.equal(mirrored.flip(-1) * torch.tensor([1.0, 1, -1]).reshape(1, 3, 1, 1, 1), plain)
    unchanged = [6, 7, 14, 15]  # costs and lungs
    assert torch.equal(mirrored_matches(matches)[unchanged].flip(-1), matches[unchanged])
    best = mirrored_matches(matches)[3:6].flip(-1)
    assert torch.equal(best * torch.tensor([1.0, 1, -1]).reshape(3, 1, 1, 1), matches[3:6])


def test_an_exchange_swaps_both_directions():
    matches = made_pair()["matches"].float()
    forth, back = matched_displacements(matches[None])
    assert torch.equal(matched_displacements(exchanged_matches(matches)[None])[0], back)
    _, new_forth, new_back = varied(matches, forth[0], back[0], mirror=False, exchange=True)
    assert torch.equal(new_forth, back[0]) and torch.equal(new_back, forth[0])


def test_the_truth_is_read_where_the_points_are():
    """Fields that are linear in the place, the same in a mirror and when exchanged, so that any draw has this truth."""
    grid = torch.linspace(-1, 1, 5)
    field = torch.stack([0.1 * grid.reshape(s).expand(5, 5, 5) for s in ((5, 1, 1), (1, 5, 1), (1, 1, 5))])
    pair = {**made_pair(), "forth": field, "back": field}
    batch = varied_batch([pair] * 4, 50, generators(4))
    for points, truth in zip(batch.points, batch.truth):
        assert torch.allclose(truth, 0.1 * points, atol=1e-6)


def test_all_four_variants_are_drawn():
    batch = varied_batch([made_pair()] * 40, 8, generators(40))
    assert len({tuple(m.flatten()[:20].tolist()) for m in batch.matches}) == 4


def test_points_lie_in_the_lungs_of_their_own_side():
    pair = made_pair()
    pair["matches"][7], pair["matches"][15] = 0, 0
    pair["matches"][7, 0], pair["matches"][15, -1] = 1, 1  # lungs of one at the bottom, of the other at the top
    batch = varied_batch([pair] * 6, 80, generators(6))
    for item in range(6):
        bottom, top = sorted(float(points[item, 20:, 0].mean()) for points in batch.points)
        assert bottom < -0.9 and top > 0.9


def test_a_folder_is_read_the_same_for_the_same_random_numbers(tmp_path):
    files = PairFiles(folder_of_pairs(tmp_path), 16, MATCHES_SIZE)
    first, again, other = (files.batch(0, generators(3, seed)) for seed in (0, 0, 9))
    assert torch.equal(first.matches, again.matches) and torch.equal(first.points[1], again.points[1])
    assert not torch.equal(first.points[0], other.points[0])
    assert first.truth[0].shape == (3, 16, 3)


def test_a_batch_holds_the_pairs_of_the_files(tmp_path):
    files = PairFiles(folder_of_pairs(tmp_path, 1), 16, MATCHES_SIZE)
    batch, pair = files.batch(0, generators(8)), made_pair(0)
    plain = [n for n in range(8) if torch.equal(batch.matches[n], pair["matches"].float())]
    assert plain
    expected = read_image(pair["forth"][None].float(), batch.points[0][plain[0]][None])
    assert torch.equal(batch.truth[0][plain[0]], expected[0])


def test_files_that_appear_later_are_found_and_change_the_hash(tmp_path):
    files = PairFiles(folder_of_pairs(tmp_path, 1), 16, MATCHES_SIZE)
    before = files.origin()["sha256"]
    folder_of_pairs(tmp_path, 2)
    files.refresh()
    assert len(files) == 2 and files.origin()["files"] == 2 and files.origin()["sha256"] != before


def test_the_origin_tells_what_the_pairs_were_made_from(tmp_path):
    (folder_of_pairs(tmp_path) / "made-0003.json").write_text(json.dumps({"commit": "abc", "seed": 3}))
    assert PairFiles(tmp_path, 16, MATCHES_SIZE).origin()["made"] == [{"commit": "abc", "seed": 3}]


def test_an_empty_folder_says_how_to_fill_it(tmp_path):
    with pytest.raises(SettingsError, match="training.make_pairs"):
        PairFiles(tmp_path, 16, MATCHES_SIZE)


def test_pairs_for_another_encoder_are_refused(tmp_path):
    with pytest.raises(SettingsError, match="9 samples a side, this encoder reads 41"):
        PairFiles(folder_of_pairs(tmp_path), 16, 41)
