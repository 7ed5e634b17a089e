"""The loss of the best answer that is the same for every picture: what a network reaches without looking.

For maps, outlines and names it is the answer of the same numbers for each pixel or specimen; with cross-entropy alone
these are the frequencies of the classes (Bishop 2006, "Pattern recognition and machine learning", section 4.3). For
YOLO it is the same box and the same scores in each cell of a level; its loss gives each box its target by what the
network says, so the fit finds a low loss, not provably the lowest one. For torchvision's networks of two stages, last
layers say the frequencies of what is sampled, and every box is the anchor or the proposal itself. For those of one
stage, the answers of the last layers are fitted as those of YOLO are.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, Final, cast

import torch

from napari_diatom.engines.box_nets import STRIDES

THIN: Final = 4
"""Every how many pixels, in both directions, a map is read for the fit: a constant answer depends on shares alone."""
STEPS: Final = 40
RATE: Final = 0.2
"""Steps of Adam that fit the answer of YOLO, and their rate."""
FITTED: Final = 16
"""Pictures that it is fitted to."""
LEAST_SHARE: Final = 1e-4


def fitted_answer(loss: Callable[[torch.Tensor], torch.Tensor], start: torch.Tensor) -> torch.Tensor:
    """Return the numbers, shape (C,), of the lowest loss, found by L-BFGS (Liu & Nocedal 1989)."""
    with torch.enable_grad():
        answer = start.clone().requires_grad_()
        optimizer = torch.optim.LBFGS([answer], lr=0.5, max_iter=STEPS, line_search_fn="strong_wolfe")

        def closure() -> torch.Tensor:
            optimizer.zero_grad()
            value = loss(answer)
            value.backward()  # type: ignore[no-untyped-call]
            return value

        # torch leaves the step without types.
        step: Any = optimizer.step
        step(closure)
    return answer.detach() if bool(torch.isfinite(answer).all()) else start


def map_loss(
    loss: Callable[[torch.Tensor, dict[str, Any]], torch.Tensor],
    batches: Sequence[dict[str, Any]],
    names: Sequence[str],
    channels: int,
) -> float:
    """Return the loss of the best answer that is the same for each pixel.

    Parameters
    ----------
    loss : callable
        Gives the loss of logits (B, C, H, W) against a batch.
    batches : sequence of dict
        The pictures, ``images``, of shape (B, 3, H, W), and what is there.
    names : sequence of str
        Entries of a batch that have a value for each pixel, shape (B, H, W).
    channels : int
        C.
    """

    def mean(answer: torch.Tensor, thin: int) -> torch.Tensor:
        total, seen = answer.new_zeros(()), 0
        for batch in batches:
            thinned = batch | {name: batch[name][:, ::thin, ::thin] for name in names}
            count, height, width = thinned[names[0]].shape
            logits = answer[None, :, None, None].expand(count, channels, height, width)
            total, seen = total + count * loss(logits, thinned), seen + count
        return total / seen

    start = torch.zeros(channels, device=batches[0]["images"].device)
    return float(mean(fitted_answer(lambda answer: mean(answer, THIN), start), 1))


def label_loss(
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor], batches: Sequence[dict[str, Any]], classes: int
) -> float:
    """Return the loss of the best answer that is the same for each specimen; ``loss`` takes logits (B, C), labels."""
    labels = torch.cat([batch["labels"] for batch in batches])

    def mean(answer: torch.Tensor) -> torch.Tensor:
        return loss(answer[None].expand(len(labels), classes), labels)

    return float(mean(fitted_answer(mean, torch.zeros(classes, device=labels.device))))


def grid_loss(
    loss: Callable[[dict[str, Any], dict[str, Any]], torch.Tensor],
    raws: Sequence[dict[str, Any]],
    batches: Sequence[dict[str, Any]],
    start: float,
) -> float:
    """Return the loss of the best answer of YOLO that is the same for each cell of a level.

    Parameters
    ----------
    loss : callable
        Gives the loss of a network's output against a batch.
    raws, batches : sequence of dict
        Outputs of a network, of which the shapes are taken: ``feats``, a map a level, and others of shape
        (B, channels, cells); and what they are to be compared with. Of the same length.
    start : float
        Score, as a logit, that the fit starts from.
    """
    sizes = [level.shape[-2] * level.shape[-1] for level in raws[0]["feats"]]
    names = [name for name, value in raws[0].items() if name != "feats" and isinstance(value, torch.Tensor)]
    device = raws[0][names[0]].device
    answers = {
        name: torch.full((len(sizes), raws[0][name].shape[1]), start if name == "scores" else 1.0, device=device)
        for name in names
    }
    if "angle" in answers:
        answers["angle"].zero_()

    def said(raw: dict[str, Any]) -> dict[str, Any]:
        count = len(raw[names[0]])
        made = {
            name: torch.cat(
                [row[None, :, None].expand(count, -1, size) for row, size in zip(answers[name], sizes, strict=True)],
                dim=2,
            )
            for name in names
        }
        return raw | made

    few = max(FITTED // max(len(raws[0][names[0]]), 1), 1)
    lowest, best = torch.inf, {name: value.clone() for name, value in answers.items()}
    with torch.enable_grad():
        for value in answers.values():
            value.requires_grad_()
        optimizer = torch.optim.Adam(answers.values(), lr=RATE)
        for _ in range(STEPS):
            optimizer.zero_grad()
            pairs = zip(raws[:few], batches[:few], strict=True)
            total = torch.stack([loss(said(raw), batch) for raw, batch in pairs]).mean()
            if not torch.isfinite(total):
                break
            if float(total.detach()) < lowest:
                lowest, best = float(total.detach()), {name: value.detach().clone() for name, value in answers.items()}
            total.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    answers = best
    numbers = [len(raw[names[0]]) for raw in raws]
    found = [float(loss(said(raw), batch).detach()) for raw, batch in zip(raws, batches, strict=True)]
    return sum(n * value for n, value in zip(numbers, found, strict=True)) / sum(numbers)


def two_stage_loss(
    network: torch.nn.Module,
    loss: Callable[[torch.nn.Module, dict[str, Any]], torch.Tensor],
    batches: Sequence[dict[str, Any]],
) -> float:
    """Return the loss of a torchvision network of two stages whose last layers say the same for each place.

    The gradient of a mean cross-entropy with respect to a logit is the probability that it says less the frequency of
    what is there; so one pass with logits of zero gives the frequencies, and the second the loss.

    Parameters
    ----------
    network : torch.nn.Module
        Of which the boxes' sampling is taken; it stays as it is.
    loss : callable
        Gives the sum of its losses on a batch, as ``plain_loss`` does, of a network that it is given.
    batches : sequence of dict
        ``images`` and what the loss reads.
    """
    blind: Any = copy.deepcopy(network).requires_grad_(False)
    objectness, classes = blind.rpn.head.cls_logits, blind.roi_heads.box_predictor.cls_score
    masks = getattr(getattr(blind.roi_heads, "mask_predictor", None), "mask_fcn_logits", None)
    answering = [objectness, classes] + ([] if masks is None else [masks])
    for layer in (*answering, blind.rpn.head.bbox_pred, blind.roi_heads.box_predictor.bbox_pred):
        layer.weight.zero_()
        layer.bias.zero_()
    with torch.enable_grad():
        for layer in answering:
            layer.bias.requires_grad_()
        for batch in batches:
            (loss(blind, batch) / len(batches)).backward()  # type: ignore[no-untyped-call]
    with torch.no_grad():
        for layer in answering:
            gradient = layer.bias.grad if layer.bias.grad is not None else torch.zeros_like(layer.bias)
            if layer is classes:
                share = (1 / len(gradient) - gradient).clamp(min=LEAST_SHARE)
                layer.bias.copy_((share / share.sum()).log())
            else:
                share = (0.5 - gradient.sum()).clamp(LEAST_SHARE, 1 - LEAST_SHARE)
                layer.bias.fill_(float(torch.logit(share)))
        losses = [float(loss(blind, batch)) for batch in batches]
    numbers = [len(batch["images"]) for batch in batches]
    return sum(n * value for n, value in zip(numbers, losses, strict=True)) / sum(numbers)


def one_stage_loss(
    network: torch.nn.Module,
    loss: Callable[[torch.nn.Module, dict[str, Any]], torch.Tensor],
    batches: Sequence[dict[str, Any]],
) -> float:
    """Return the loss of a torchvision network of one stage whose last layers say the same for each place of a level.

    Parameters
    ----------
    network : torch.nn.Module
        It stays as it is.
    loss : callable
        Gives the sum of its losses on a batch, as ``plain_loss`` does, of a network that it is given.
    batches : sequence of dict
        ``images`` and what the loss reads.
    """
    blind: Any = copy.deepcopy(network).requires_grad_(False)
    # What the backbone sees does not matter, and looking takes time: its maps are empty.
    blind.backbone = _EmptyLevels()
    answers = _constant_answers(blind.head)
    few = batches[: max(FITTED // max(len(batches[0]["images"]), 1), 1)]
    lowest, best = torch.inf, [answer.detach().clone() for answer in answers]
    with torch.enable_grad():
        optimizer = torch.optim.Adam(answers, lr=RATE)
        for _ in range(STEPS):
            optimizer.zero_grad()
            total = torch.stack([loss(blind, batch) for batch in few]).mean()
            if not torch.isfinite(total):
                break
            if float(total.detach()) < lowest:
                lowest, best = float(total.detach()), [answer.detach().clone() for answer in answers]
            total.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    with torch.no_grad():
        for answer, value in zip(answers, best, strict=True):
            answer.copy_(value)
        losses = [float(loss(blind, batch)) for batch in batches]
    numbers = [len(batch["images"]) for batch in batches]
    return sum(n * value for n, value in zip(numbers, losses, strict=True)) / sum(numbers)


def _constant_answers(head: torch.nn.Module) -> list[torch.Tensor]:
    """Exchange the layers of a head of torchvision by some that say the same everywhere, and return what they say."""
    answers: list[torch.Tensor] = []

    def constant(layer: Any) -> torch.nn.Conv2d:
        last: Any = layer[-1] if isinstance(layer, torch.nn.Sequential) else layer
        made: Any = torch.nn.Conv2d(1, last.out_channels, 1).to(last.weight.device)
        torch.nn.init.zeros_(made.weight).requires_grad_(False)
        made.bias.data.copy_(last.bias)
        answers.append(made.bias)
        return cast(torch.nn.Conv2d, made)

    parts: list[Any] = list(head.children())
    for part in parts:
        if isinstance(levels := getattr(part, "module_list", None), torch.nn.ModuleList):
            for k, layer in enumerate(levels):
                levels[k] = constant(layer)
        else:
            part.conv = torch.nn.Identity()
            for name in ("cls_logits", "bbox_reg", "bbox_ctrness"):
                if hasattr(part, name):
                    setattr(part, name, constant(getattr(part, name)))
    return answers


class _EmptyLevels(torch.nn.Module):
    """Stands for the backbone of a network of one stage."""

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """Map images, shape (B, 3, H, W), to empty levels of one channel."""
        height, width = images.shape[-2:]
        return {
            str(k): images.new_zeros((len(images), 1, -(-height // stride), -(-width // stride)))
            for k, stride in enumerate(STRIDES)
        }
