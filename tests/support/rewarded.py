"""A run on a GPU made of model objects, scored as a search would: pairs, intervals, counters, a second trial, and failures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from kernelsearch import catalog
from kernelsearch.model import (
    Attempt,
    Bottleneck,
    Build,
    Candidate,
    CaseTiming,
    Check,
    Confirmation,
    Environment,
    Evaluation,
    Interval,
    KernelResources,
    Measurement,
    Metric,
    Node,
    Origin,
    Outcome,
    Profile,
    Proposal,
    Resource,
    RewardProfile,
    TimeKind,
    Verdict,
)
from kernelsearch.report.rescore import again
from kernelsearch.report.view import Record
from kernelsearch.store.rundir import Header, RunFolder
from runs import SOURCE, SPEC, task

HERE = Environment(device="NVIDIA H100", time_kind="measured", sandbox="bubblewrap (level 3 of 3)")
DEFAULT = catalog.reward_profile("default")
FLOOR_US = 80.0
BASE_US = 400.0


def passed(
    name: str, us: float, *, sectors: float, megabytes: float, code: int, registers: int = 32, occupancy: float = 50.0
) -> Evaluation:
    ratio = BASE_US / us
    metrics = {
        "derived__speed_of_light.pct": 100 * FLOOR_US / us,
        "dram__bytes_read.sum": megabytes * 5e5,
        "dram__bytes_write.sum": megabytes * 5e5,
        "l1tex__t_sectors_pipe_lsu_mem_global_op_ld.sum": sectors * 1e6,
        "l1tex__t_sectors_pipe_lsu_mem_global_op_st.sum": 1e6,
        "l1tex__data_bank_conflicts_pipe_lsu_mem_shared.sum": 0.0,
        "l1tex__data_pipe_lsu_wavefronts_mem_shared.sum": 2e5,
        "smsp__inst_executed.sum": 3e7 / ratio,
        "sm__warps_active.avg.pct_of_peak_sustained_active": occupancy,
    }
    busy = 100 * megabytes / 3.35 / us
    limit = (
        Bottleneck(resource=Resource.UNCOALESCED, evidence=f"{sectors:.1f} sectors per global load request; 4 would do")
        if sectors > 4
        else Bottleneck(
            resource=Resource.DRAM_BANDWIDTH,
            evidence=f"{busy:.0f} % of the device memory's bandwidth is in use; it moved 1.0 times the bytes of the task",
        )
    )
    timing = CaseTiming(
        case="large", samples_us=(us, 1.01 * us, 0.99 * us, us), rival_us=(BASE_US, 1.01 * BASE_US, 0.99 * BASE_US, BASE_US)
    )
    return Evaluation(
        candidate=name,
        verdict=Verdict.PASSED,
        build=Build(
            ok=True,
            toolchain="nvcc",
            artifact="a.so",
            resources=(KernelResources(kernel="softmax", registers=registers, shared_bytes=4096),),
            instructions={"LDG.E": code // 4, "FFMA": code - code // 4},
        ),
        checks=tuple(Check(case="large", distribution=kind, verdict=Verdict.PASSED) for kind in ("normal", "integers")),
        measurement=Measurement(
            kind=TimeKind.MEASURED,
            timings=(timing,),
            speedup=ratio,
            interval=Interval(low=0.995 * ratio, high=1.005 * ratio, confidence=0.99),
        ),
        profile=Profile(
            kind=TimeKind.MEASURED,
            metric_set="quick",
            kernel="softmax",
            metrics={key: Metric(value=value) for key, value in metrics.items()},
            bottleneck=limit,
            facts={
                "speed of light %": f"{100 * FLOOR_US / us:.0f}",
                "sectors/request (load)": f"{sectors:.1f}",
                "DRAM %": f"{busy:.0f}",
                "occupancy %": f"{occupancy:.0f}",
                "registers": f"{registers}",
            },
        ),
        environment=HERE,
    )


def confirmed(evaluation: Evaluation, against: str, ratio: float) -> Evaluation:
    interval = Interval(low=0.99 * ratio, high=1.01 * ratio, confidence=0.99)
    timings = () if evaluation.measurement is None else evaluation.measurement.timings
    trial = Measurement(kind=TimeKind.MEASURED, timings=timings, speedup=ratio, interval=interval)
    return replace(evaluation, confirmation=Confirmation(against=against, measurement=trial, held=True, detail="as told"))


def attempt(
    parent: int | None, ticket: int, directive: str, evaluation: Evaluation | None, outcome: Outcome = Outcome.EVALUATED
) -> Attempt:
    origin = Origin(proposer="rules", directive=directive, summary=f"{directive} in softmax, as a person would say it")
    return Attempt(
        proposal=None if parent is None else Proposal(ticket=ticket, parent=parent, seed=ticket),
        outcome=outcome,
        candidate=None if evaluation is None else Candidate(task=SPEC.task, source=SOURCE, origin=origin),
        evaluation=evaluation,
        detail="" if evaluation is not None else "the search text was not found",
    )


def attempts() -> list[Attempt]:
    """4 is the best that was shown. 2 is slower than 1 by a hair, and has fewer instructions and less traffic."""
    coalesced = passed("b", 141.0, sectors=4.0, megabytes=420.0, code=900, registers=72, occupancy=88.0)
    wrong = Evaluation(candidate="w", verdict=Verdict.WRONG, detail="y[257, 1000]: 0 instead of 0.13", environment=HERE)
    return [
        attempt(None, 0, "", passed("a", BASE_US, sectors=18.5, megabytes=805.0, code=400)),
        attempt(0, 0, "swap-thread-axes", confirmed(coalesced, "a", BASE_US / 141)),
        attempt(0, 1, "warp-per-row", passed("c", 142.0, sectors=4.0, megabytes=270.0, code=200)),
        attempt(1, 2, "vector-loads", wrong),
        attempt(1, 3, "vector-loads", confirmed(passed("d", 96.4, sectors=3.0, megabytes=270.0, code=700), "b", 141 / 96.4)),
        attempt(4, 4, "unroll-4", passed("e", 96.0, sectors=4.0, megabytes=300.0, code=9000, registers=255, occupancy=12.0)),
        attempt(0, 5, "", None, Outcome.UNUSABLE),
    ]


def nodes(profile: RewardProfile = DEFAULT) -> tuple[Node, ...]:
    plain = [Node(number=number, attempt=made, at_seconds=3.0 * number) for number, made in enumerate(attempts())]
    return tuple(replace(node, reward=reward) for node, reward in zip(plain, again(plain, profile), strict=True))


def write(folder: Path, profile: RewardProfile = DEFAULT, *, keep: bool = True) -> Path:
    """The run as a folder on disk, with its weights unless it is to look like one of an older version."""
    spec = replace(SPEC, device="cuda", reward=profile.name)
    rewards = profile if keep else None
    header = Header(version="0.3.0", started="2026-11-22T21:00:00+00:00", spec=spec, task=task(), environment=HERE, rewards=rewards)
    run = RunFolder.create(folder, header)
    for node in nodes(profile):
        run.journal.append(node.attempt, node.reward, node.at_seconds)
    run.close()
    return folder


def record(folder: Path) -> Record:
    from kernelsearch.report import html

    return html.read(write(folder))
