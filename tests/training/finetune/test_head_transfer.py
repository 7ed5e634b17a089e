"""Heads for new classes begin as those of the old ones."""

import copy

import pytest
import torch

from diatom_training.finetune import head_transfer
from napari_diatom.engines import classifier_net, map_nets, maskrcnn_net, networks

NETWORKS = ["yolo11n-obb", "deeplabv3plus/tu-test_efficientnet/16", "maskrcnn/tu-test_efficientnet/8"]


@pytest.mark.parametrize("architecture", NETWORKS)
def test_all_tensors_of_a_start_fit_whatever_the_classes(architecture: str) -> None:
    torch.manual_seed(0)
    old, new = networks.build(architecture, 2).state_dict(), networks.build(architecture, 3).state_dict()
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


@pytest.mark.parametrize("architecture", ["ssd/test_efficientnet/16", "retinanet/test_efficientnet/16"])
def test_classes_of_each_anchor_keep_their_rows(architecture: str) -> None:
    torch.manual_seed(0)
    old, new = networks.build(architecture, 2).state_dict(), networks.build(architecture, 3).state_dict()
    moved = head_transfer.for_classes(old, new, ("needle", "square"), ("square", "round", "needle"))
    name = next(
        name
        for name in old
        if name.startswith("head.classification_head") and old[name].ndim == 1 and old[name].shape != new[name].shape
    )
    before, after = old[name].reshape(-1, 3), moved[name].reshape(-1, 4)
    assert torch.equal(after[:, [0, 1, 3]], before[:, [0, 2, 1]])
    torch.testing.assert_close(after[:, 2], before[:, 1:].mean(dim=1))
    assert {part: value.shape for part, value in moved.items()} == {part: value.shape for part, value in new.items()}


@pytest.mark.parametrize(
    ("build", "architecture"),
    [
        (maskrcnn_net.build, "maskrcnn/tu-test_efficientnet/8"),
        (map_nets.build, "deeplabv3plus/tu-test_efficientnet/16"),
        (classifier_net.build, "classifier/tu-test_efficientnet/64"),
    ],
)
def test_weights_are_called_the_same_whatever_the_dropout(build, architecture: str) -> None:
    plain, dropped = build(architecture, 2, 0.0), build(architecture, 2, 0.5)
    assert list(plain.state_dict()) == list(dropped.state_dict())
    assert [name for name, _ in plain.named_parameters()] == [name for name, _ in dropped.named_parameters()]


def test_a_mask_network_drops_what_it_is_told_to_and_only_while_it_learns() -> None:
    network = copy.deepcopy(maskrcnn_net.build("maskrcnn/tu-test_efficientnet/8", 2, 0.5))
    head = network.roi_heads.box_head
    pooled = torch.rand(64, 8, 7, 7)
    kept = (head.eval()(pooled) > 0).float().mean()
    assert torch.equal(head(pooled), head(pooled))
    assert (head.train()(pooled) > 0).float().mean() < 0.7 * kept


def test_weights_that_the_version_before_trained_with_dropout_are_taken() -> None:
    torch.manual_seed(0)
    network = maskrcnn_net.build("maskrcnn/tu-test_efficientnet/8", 2)
    earlier = {name.replace("box_head.fc", "box_head.0.fc"): value for name, value in network.state_dict().items()}
    other = maskrcnn_net.build("maskrcnn/tu-test_efficientnet/8", 2, 0.1)
    other.load_state_dict(earlier)
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in network.state_dict().items())


def test_the_same_classes_stay_as_they_are() -> None:
    old = networks.build("yolo11n-obb", 2).state_dict()
    same = head_transfer.for_classes(old, old, ("a", "b"), ("a", "b"))
    assert all(torch.equal(same[name], old[name]) for name in old)


def test_one_class_becomes_many_that_answer_alike() -> None:
    one, three = networks.build("yolo11n-obb", 1).eval(), networks.build("yolo11n-obb", 3).eval()
    three.load_state_dict(head_transfer.for_classes(one.state_dict(), three.state_dict(), ("diatom",), ("a", "b", "c")))
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        found, named = one(image)[0], three(image)[0]
    torch.testing.assert_close(named[:, 4:7], found[:, 4:5].expand(-1, 3, -1))
    torch.testing.assert_close(named[:, :4], found[:, :4])
