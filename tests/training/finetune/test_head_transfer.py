"""Heads for new classes begin as those of the old ones."""

import pytest
import torch

from diatom_training.finetune import head_transfer, initial_weights

NETWORKS = ["yolo11n-obb", "deeplabv3plus/tu-test_efficientnet/16", "maskrcnn/tu-test_efficientnet/8"]


@pytest.mark.parametrize("architecture", NETWORKS)
def test_all_tensors_of_a_start_fit_whatever_the_classes(architecture: str) -> None:
    torch.manual_seed(0)
    old, new = initial_weights.build(architecture, 2).state_dict(), initial_weights.build(architecture, 3).state_dict()
    moved = head_transfer.for_classes(old, new, ("needle", "square"), ("square", "round", "needle"))
    assert {name: tensor.shape for name, tensor in moved.items()} == {n: t.shape for n, t in new.items()}
    for name, tensor in old.items():
        if tensor.shape == new[name].shape:
            assert torch.equal(moved[name], tensor), name
            continue
        background = len(tensor) // 3 if len(tensor) % 3 == 0 else 0
        each = (len(tensor) - background) // 2
        needle, square = tensor[background : background + each], tensor[background + each :]
        kept = [tensor[:background], square, (needle + square) / 2, needle]
        assert torch.equal(moved[name], torch.cat(kept)), name
    assert sum(old[name].shape != new[name].shape for name in old) >= 2


def test_the_same_classes_stay_as_they_are() -> None:
    old = initial_weights.build("yolo11n-obb", 2).state_dict()
    same = head_transfer.for_classes(old, old, ("a", "b"), ("a", "b"))
    assert all(torch.equal(same[name], old[name]) for name in old)


def test_one_class_becomes_many_that_answer_alike() -> None:
    one, three = initial_weights.build("yolo11n-obb", 1).eval(), initial_weights.build("yolo11n-obb", 3).eval()
    three.load_state_dict(head_transfer.for_classes(one.state_dict(), three.state_dict(), ("diatom",), ("a", "b", "c")))
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        found, named = one(image)[0], three(image)[0]
    torch.testing.assert_close(named[:, 4:7], found[:, 4:5].expand(-1, 3, -1))
    torch.testing.assert_close(named[:, :4], found[:, :4])
