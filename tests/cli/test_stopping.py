"""Stopping at a good moment."""

import os
import signal

import pytest

from queryinst_vis.cli.stopping import stop_on_signal

SIGNALS = [name for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


@pytest.mark.parametrize("name", SIGNALS)
def test_first_signal_is_noted_and_the_second_acts_as_before(name: str):
    number, received = getattr(signal, name), []
    before = signal.signal(number, lambda *args: received.append(args[0]))
    try:
        with stop_on_signal() as stop:
            os.kill(os.getpid(), number)
            assert (stop.signal, stop.exit_code, received) == (number, 128 + number, [])
            os.kill(os.getpid(), number)
            assert received == [number]
    finally:
        signal.signal(number, before)


@pytest.mark.parametrize("name", SIGNALS)
def test_a_signal_that_is_ignored_stays_so(name: str):
    """Under nohup, or in the background of a script, somebody else's Ctrl-C stopped the work."""
    number = getattr(signal, name)
    before = signal.signal(number, signal.SIG_IGN)
    try:
        with stop_on_signal() as stop:
            os.kill(os.getpid(), number)
            assert stop.signal is None
    finally:
        signal.signal(number, before)
