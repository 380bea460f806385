import math

import pytest

from NePhiCore.dirlab_cases import COPDGENE, FOUR_D_CT, CaseSize, find_cases


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def found(folder, dataset) -> dict:
    """Names of the files, by number, phase and kind."""
    return {
        (case.number, *what): [path.name for path in paths]
        for case in find_cases(folder, dataset)
        for what, paths in case.files.items()
    }


@pytest.mark.parametrize(
    ("dataset", "number", "voxels", "spacing"),
    [
        (COPDGENE, 1, (512, 512, 121), (0.625, 0.625, 2.5)),
        (COPDGENE, 2, (512, 512, 102), (0.645, 0.645, 2.5)),
        (COPDGENE, 8, (512, 512, 115), (0.586, 0.586, 2.5)),
        (COPDGENE, 10, (512, 512, 135), (0.742, 0.742, 2.5)),
        (FOUR_D_CT, 1, (256, 256, 94), (0.97, 0.97, 2.5)),
        (FOUR_D_CT, 5, (256, 256, 106), (1.10, 1.10, 2.5)),
        (FOUR_D_CT, 7, (512, 512, 136), (0.97, 0.97, 2.5)),
        (FOUR_D_CT, 10, (512, 512, 120), (0.97, 0.97, 2.5)),
    ],
)
def test_the_sizes_are_those_that_were_published(dataset, number, voxels, spacing):
    assert dataset.sizes[number] == CaseSize(voxels, spacing)


def test_both_data_sets_have_ten_cases():
    assert list(COPDGENE.sizes) == list(FOUR_D_CT.sizes) == list(range(1, 11))
    slices = {
        dataset.name: sum(size.voxels_ijk[2] for size in dataset.sizes.values()) for dataset in (COPDGENE, FOUR_D_CT)
    }
    assert slices == {"dirlab-copdgene": 1203, "dirlab-4dct": 1155}
    assert math.prod(COPDGENE.sizes[1].voxels_ijk) * 2 == 63_438_848  # bytes of the file


def test_copdgene_as_it_is_handed_out(tmp_path):
    touch(tmp_path, *(f"copd{n}/copd{n}/copd{n}_{x}BHCT.img" for n in (10, 2) for x in "ei"))
    touch(tmp_path, *(f"copd{n}/copd{n}/copd{n}_300_{x}BH_xyz_r1.txt" for n in (10, 2) for x in "ei"))
    touch(
        tmp_path, "copd2.zip", "copd2/copd2/readme.txt", "copd2/copd2/copd2_eBHCT.img.part", "copd2/copd2_eBHCT.nii.gz"
    )
    assert found(tmp_path, COPDGENE) == {
        (n, phase, kind): [name.format(n=n, x=phase[0])]
        for n in (2, 10)
        for phase in ("exhale", "inhale")
        for kind, name in (("image", "copd{n}_{x}BHCT.img"), ("landmarks", "copd{n}_300_{x}BH_xyz_r1.txt"))
    }
    assert [case.name for case in find_cases(tmp_path, COPDGENE)] == ["copd2", "copd10"]
    assert find_cases(tmp_path, FOUR_D_CT) == []


@pytest.mark.parametrize(
    ("number", "folder", "image", "landmarks"),
    [
        (1, "Case1Pack/Images", "case1_{}_s.img", "Case1Pack/ExtremePhases/Case1_300_{}_xyz.txt"),
        (2, "Case2Pack/Images", "case2_{}-ssm.img", "Case2Pack/ExtremePhases/Case2_300_{}_xyz.txt"),
        (6, "Case6Pack/Images", "case6_{}.img", "Case6Pack/extremePhases/case6_dirLab300_{}_xyz.txt"),
        (8, "a/Case8Deploy/Images", "case8_{}.img", "a/Case8Deploy/extremePhases/case8_dirLab300_{}_xyz.txt"),
    ],
)
def test_4dct_as_it_is_handed_out(tmp_path, number, folder, image, landmarks):
    """Inhale is T00, exhale T50; nine more phases and 75 landmarks in six of them lie beside."""
    phases = [f"T{n}0" for n in range(10)]
    touch(tmp_path, *(f"{folder}/{image.format(phase)}" for phase in phases))
    touch(tmp_path, *(landmarks.format(phase) for phase in ("T00", "T50")))
    touch(tmp_path, *(f"Case{number}Pack/Sampled4D/case{number}_4D-75_{phase}.txt" for phase in phases[:6]))
    assert found(tmp_path, FOUR_D_CT) == {
        (number, phase, kind): [name.format(tag).split("/")[-1]]
        for phase, tag in (("inhale", "T00"), ("exhale", "T50"))
        for kind, name in (("image", image), ("landmarks", landmarks))
    }
    assert [case.name for case in find_cases(tmp_path, FOUR_D_CT)] == [f"case{number}"]


@pytest.mark.parametrize("below", ["", "copd3", "copd3/copd3", "download/2013/copd3/copd3"])
def test_files_may_lie_some_levels_below(tmp_path, below):
    touch(tmp_path, f"{below}/copd3_eBHCT.img" if below else "copd3_eBHCT.img")
    assert found(tmp_path, COPDGENE) == {(3, "exhale", "image"): ["copd3_eBHCT.img"]}


def test_a_file_that_is_there_twice_is_found_twice(tmp_path):
    touch(tmp_path, "copd3/copd3_eBHCT.img", "old/COPD3_EBHCT.IMG")
    (paths,) = find_cases(tmp_path, COPDGENE)[0].files.values()
    assert [path.relative_to(tmp_path).as_posix() for path in paths] == ["copd3/copd3_eBHCT.img", "old/COPD3_EBHCT.IMG"]


@pytest.mark.parametrize("dataset", [COPDGENE, FOUR_D_CT])
def test_the_examples_fit_the_patterns(tmp_path, dataset):
    touch(tmp_path, *dataset.examples.values())
    assert set(found(tmp_path, dataset)) == {(1, "exhale", "image"), (1, "exhale", "landmarks")}
