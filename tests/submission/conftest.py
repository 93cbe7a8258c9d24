"""The two videos of the entries."""

from typing import Any

import pytest
from tiny_submission import VIDEOS

from queryinst_vis.data.ytvis_json import check_ytvis


@pytest.fixture
def videos() -> dict[str, list[dict[str, Any]]]:
    """What read_ytvis would give."""
    return check_ytvis(VIDEOS, name="valid.json")
