"""Choosing where a model runs."""

import torch

from queryinst_vis.errors import UserError


def select_device(name: str = "auto") -> torch.device:
    """The device of a name such as "cpu", "cuda", "cuda:1" or "mps"; "auto" takes a GPU if there is one.

    Raises UserError for a device that does not exist here.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise UserError(f"device {name!r} is not available here ({str(error).splitlines()[0]}); use auto or cpu") from error
    return device
