"""Networks on a GPU as CUDA graphs: hundreds of small operations are started at once, in place of one by one from Python.

A graph is recorded for shapes of inputs that come again. What cannot be recorded runs as it always did.
"""

import logging
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable, Sequence

import torch
from torch import Tensor

Network = Callable[..., Sequence[Tensor]]
_LOG = logging.getLogger(__name__)
_WARMUP = 3  # runs before recording, in which libraries choose their algorithms and take their memory


def record(network: Network, inputs: Sequence[Tensor]) -> Network:
    """A CUDA graph for inputs like these; what it gives is overwritten by its next call. RuntimeError: there can be none."""
    places = [tensor.clone() for tensor in inputs]
    device = places[0].device
    with torch.cuda.device(device):
        aside = torch.cuda.Stream(device)
        aside.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(aside):
            for _ in range(_WARMUP):
                network(*places)
        torch.cuda.current_stream(device).wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):  # other threads may use the GPU meanwhile
            outputs = network(*places)

    def replay(*inputs: Tensor) -> Sequence[Tensor]:
        for place, tensor in zip(places, inputs, strict=True):
            place.copy_(tensor, non_blocking=True)
        graph.replay()
        return outputs

    return replay


class GraphedNetwork:
    """A function of tensors that is recorded for shapes which come often, the last `capacity` of them. What it reads beside its
    inputs, settings of a model say, is as it was when it was recorded.

    patience: calls with new shapes before they are recorded; a folder of pictures of all sizes is not worth it. record: makes
    what is replayed; where it raises RuntimeError, the function itself runs from then on.
    """

    def __init__(
        self,
        network: Network,
        *,
        capacity: int = 8,
        patience: int = 2,
        record: Callable[[Network, Sequence[Tensor]], Network] = record,
    ) -> None:
        self._network, self._capacity, self._patience, self._record = network, capacity, patience, record
        self._graphs: OrderedDict[Hashable, Network] = OrderedDict()
        self._calls: Counter[Hashable] = Counter()
        self._can_record = True

    def __call__(self, *inputs: Tensor) -> Sequence[Tensor]:
        """As the function gives it; a tensor of it may be overwritten by the next call."""
        shapes = tuple((tuple(tensor.shape), tensor.dtype) for tensor in inputs)
        if shapes not in self._graphs and not self._recorded(shapes, inputs):
            return self._network(*inputs)
        self._graphs.move_to_end(shapes)
        return self._graphs[shapes](*inputs)

    def _recorded(self, shapes: Hashable, inputs: Sequence[Tensor]) -> bool:
        """Whether there is a graph for these shapes now."""
        self._calls[shapes] += 1
        if not self._can_record or self._calls[shapes] <= self._patience:
            return False
        try:
            self._graphs[shapes] = self._record(self._network, inputs)
        except RuntimeError as error:
            self._can_record = False
            _LOG.warning("the network runs without CUDA graphs (%s)", str(error).partition("\n")[0])
            return False
        del self._calls[shapes]
        if len(self._graphs) > self._capacity:
            self._graphs.popitem(last=False)
        return True
