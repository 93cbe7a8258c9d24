"""Tensors that travel together arrive as they were."""

import torch

from queryinst_vis.ops.host_copy import packed, to_host, unpacked


def test_all_types_and_shapes_arrive() -> None:
    tensors = [
        torch.randn(3, 5),
        torch.tensor([True, False, True]),
        torch.arange(7) - 3,
        torch.zeros(0, 4),
        torch.tensor(2.5),
        torch.randn(3, dtype=torch.float16),
        torch.empty(0, dtype=torch.int64),
        torch.randn(4, 6).T,
        torch.tensor([torch.nan, torch.inf], dtype=torch.float64),
    ]
    data = packed(tensors)
    assert data.shape == (sum(tensor.nbytes for tensor in tensors),)
    for found, tensor in zip(unpacked(data, tensors), tensors, strict=True):
        assert found.dtype == tensor.dtype
        assert found.shape == tensor.shape
        assert torch.equal(found.nan_to_num(9), tensor.nan_to_num(9))


def test_nothing_is_copied_on_the_host() -> None:
    tensors = [torch.zeros(2), torch.ones(3, dtype=torch.int64)]
    assert all(found is tensor for found, tensor in zip(to_host(tensors), tensors, strict=True))
