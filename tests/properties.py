"""How many examples a property gets, by what one costs."""

import os
import sys
from collections.abc import Callable

from hypothesis import HealthCheck, Phase, settings

NIGHTLY = 20  # times as many


def of_runs(examples: int) -> Callable:
    """Ask for few examples, each a whole run or more; shrinking would take as many again.

    The second pair of versions gets one.
    """
    is_nightly = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
    return settings(
        max_examples=(examples if sys.version_info >= (3, 13) else 1) * (NIGHTLY if is_nightly else 1),
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
