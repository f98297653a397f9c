"""`kernelsearch calibrate`: measure the peaks of this GPU, which floors are then drawn from."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from kernelsearch.calibrate import Probe
    from kernelsearch.model import Calibration, Hardware


@click.command(name="calibrate", short_help="Measure what this GPU can do.")
@click.option("--device", default="auto", show_default=True, help="auto, cuda or pycuda; cuda:1 is the second GPU.")
@click.option("--hardware", default="", help="Hardware profile to hold the GPU against, such as h100.")
@click.option("--unsafe", is_flag=True, help="Where no sandbox works, run the calibration kernels without one.")
def command(device: str, hardware: str, unsafe: bool) -> int:
    """Measure bandwidths, arithmetic rates and the launch of this GPU, and keep them for this GPU and driver.

    A kernel that is faster than these and the datasheet allow is not believed. Let nothing else run on the GPU meanwhile. Exit code 1
    if a figure could not be measured.
    """
    from kernelsearch import calibrate
    from kernelsearch.cli import tables
    from kernelsearch.errors import UsageError
    from kernelsearch.lab import open_lab

    if device == "emulated":
        raise UsageError(calibrate.NOT_HERE)
    with closing(open_lab(device=device, hardware=hardware, metrics="none", unsafe=unsafe, calibrated=False)) as lab:
        found = calibrate.run(lab, lambda probe, outcome: click.echo(f"{probe.words} …", err=True))
        profile = lab.hardware
    rows = [_row(probe, found, profile) for probe in calibrate.PROBES]
    tables.show(("", "measured", "±", "of the profile", "floors use"), rows, right=(1, 2, 3))
    click.echo(f"\nkept in {calibrate.keep(found)}; every command uses it on this GPU from now on")
    return 1 if found.missing else 0


def _row(probe: Probe, found: Calibration, profile: Hardware) -> tuple[str, str, str, str, str]:
    from kernelsearch.report import words

    peak = found.peaks.get(probe.rate)
    if peak is None:
        return probe.words, words.DASH, words.DASH, words.DASH, f"not measured: {words.first_line(found.missing[probe.rate])}"
    stated = profile.stated(probe.rate) if probe.work else 0.0
    share = words.percent(peak.best / stated) if stated else words.DASH
    used = ("the profile" if stated > peak.best else "the measurement") if probe.floor else words.DASH
    return probe.words, words.quantity(peak.best, probe.unit), words.percent(peak.spread / 2, 1), share, used
