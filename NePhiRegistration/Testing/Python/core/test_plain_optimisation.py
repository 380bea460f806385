"""The optimisation ends where a plain one ends: float64, autograd, torch's own Adam, each term as its equation has it.

One hundredth more of a single weight makes it end a hundredth of the way elsewhere.
"""

import copy
import itertools
import math

import pytest
import torch
from optimisation_cases import SETTINGS, pairs_for, settings, start

from NePhiCore.direction import DIFFERENCE_STEP, FOLD_WEIGHT, ROUND_TRIP_WEIGHT, SMALLEST_DETERMINANT
from NePhiCore.latent_code import RefinedCode
from NePhiCore.losses import difference_stencil, gradient_on_stencil
from NePhiCore.optimisation import AVERAGED_SHARE, optimise
from NePhiCore.sampling import read_linear
from NePhiCore.scales import schedule

AS_FAR = 1e-4  # of the way that both go; single precision adds up to 6e-6 in thirty steps


def plain_map(network, points, code):
    return points + network.plain(points.clamp(-1, 1), code)


def plain_similarity(pair, points, mapped):
    """1 - NCC of each channel, mean (eq. 8 without the square)."""
    fixed, moving = (
        read_linear(image.features.double(), at)[0] for image, at in ((pair.fixed, points), (pair.moving, mapped))
    )
    fixed, moving = fixed - fixed.mean(0), moving - moving.mean(0)
    variances = (fixed.square().mean(0), moving.square().mean(0))
    correlation = (fixed * moving).mean(0) / (variances[0] * variances[1] + 1e-10).sqrt()
    return (1 - correlation).mean()


def plain_loss(networks, way, code, pair, drawn, strictness):
    """One direction's half of eq. 10, its prior apart; the gradient of inverse consistency by differences (eq. 5)."""
    points, around = (part.double() for part in drawn)
    there, back = networks[way], networks[1 - way]
    similarity = plain_similarity(pair, points, plain_map(there, points, code))
    stencil = difference_stencil(around, DIFFERENCE_STEP)
    mapped = plain_map(there, stencil, code)
    gradient = gradient_on_stencil(mapped.unflatten(1, (4, -1)), DIFFERENCE_STEP)
    lacking = (SMALLEST_DETERMINANT - torch.linalg.det(gradient)).clamp(min=0)
    residual = (plain_map(back, mapped, code) - stencil).unflatten(1, (4, -1))
    inconsistency = gradient_on_stencil(residual, DIFFERENCE_STEP).square().sum((-1, -2)).mean()
    round_trip = residual[:, 0].square().sum(-1).mean()
    shared = (1 - similarity.detach()).clamp(min=1e-3)
    noise = ((1 - shared**2) / shared).clamp(max=1)
    regular = SETTINGS.regularity_weight * strictness * noise * inconsistency
    return similarity / 2 + regular + FOLD_WEIGHT * lacking.square().mean() + ROUND_TRIP_WEIGHT * round_trip


def plain_optimisation(maps, pairs, settings):
    """The mean of the states of the last quarter: those of the code's change, then of the weights."""
    refined = RefinedCode(maps.code.map(torch.Tensor.double))
    for tensor in refined.tensors():
        tensor.data = tensor.data.double()
    refined._to_finer = [[matrix.double() for matrix in axes] for axes in refined._to_finer]
    networks = [copy.deepcopy(n).double() for n in (maps.fixed_to_moving, maps.moving_to_fixed)]
    everything = settings.optimise == "all"
    weights = [p.requires_grad_(everything) for n in networks for p in n.parameters()]
    rates = settings.latent_learning_rate, settings.network_learning_rate
    groups = [{"params": tensors, "lr": rate} for tensors, rate in zip((refined.tensors(), weights), rates)]
    adam = torch.optim.Adam(groups[: 1 + everything], betas=(0.9, 0.98), eps=1e-8)
    seeds = torch.randint(2**62, (2,), generator=torch.Generator().manual_seed(settings.seed)).tolist()
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    voxels = len(pairs[-1].fixed.candidates_norm)
    counts = [round(r * voxels) for r in (settings.similarity_sampling_ratio, settings.regularity_sampling_ratio)]
    changed, states = [*refined.tensors(), *weights], []
    for iteration, (scale, pair) in enumerate(schedule(pairs, settings.iterations)):
        share = iteration / settings.iterations
        factor = min(1.0, (iteration + 1) / 10) * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * share)))
        for group, rate in zip(adam.param_groups, rates):
            group["lr"] = rate * factor
        code = refined.code()
        loss = settings.prior_weight * (code.global_code.square().mean() + code.local_code.square().mean())
        for way, seen in enumerate((pair, pair.turned())):
            drawn = (
                seen.fixed.draw(counts[0], generators[way]),
                seen.fixed.draw_for_regularity(counts[1], generators[way]),
            )
            loss = loss + plain_loss(networks, way, code, seen, drawn, scale.regularity)
        adam.zero_grad()
        loss.backward()
        adam.step()
        if iteration >= (1 - AVERAGED_SHARE) * settings.iterations:
            states.append([tensor.detach().clone() for tensor in changed])
    means = [torch.stack(each).mean(0) for each in zip(*states)]
    for tensor, mean in zip(changed, means):
        tensor.data = mean
    return [tensor.detach() for tensor in (*refined.code().tensors(), *weights)]


@pytest.mark.parametrize("mode", ["latent", "all"])
def test_it_ends_where_a_plain_one_ends(mode):
    maps, pairs, chosen = start(), pairs_for(), settings(optimise=mode)
    found = optimise(maps, pairs, chosen).maps
    networks = (found.fixed_to_moving, found.moving_to_fixed), (maps.fixed_to_moving, maps.moving_to_fixed)
    ours, before = (
        [*code.tensors(), *itertools.chain(*(n.parameters() for n in both))]
        for code, both in zip((found.code, maps.code), networks)
    )
    plain = plain_optimisation(maps, pairs, chosen)
    moved = 0
    for where, expected, begun in zip(ours, plain, before):
        way = (expected - begun).norm()
        assert (where - expected).norm() <= AS_FAR * way + 1e-6
        moved += way > 0.01
    assert moved >= (2 if mode == "latent" else 10)
