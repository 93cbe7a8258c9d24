"""Names of devices."""

import pytest
import torch

from queryinst_vis.device import select_device
from queryinst_vis.errors import UserError


def test_cpu():
    assert select_device("cpu") == torch.device("cpu")


def test_auto_takes_a_device_that_works():
    torch.zeros(1, device=select_device())


@pytest.mark.gpu
def test_auto_prefers_the_gpu():
    assert select_device("auto").type == "cuda"


@pytest.mark.parametrize("name", ["tpu9", "cuda:99", "", "mps:7"])
def test_device_that_does_not_exist(name):
    with pytest.raises(UserError, match="not available") as caught:
        select_device(name)
    assert "\n" not in str(caught.value)
