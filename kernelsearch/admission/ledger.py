"""What solvers came to, call by call, and what that says of the task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from kernelsearch.admission.setting import Answers, Setting
from kernelsearch.admission.solvers import FLOAT32, SOLVERS, Kind, Solver
from kernelsearch.verify.compare import FAR

By = Mapping[str, Sequence["Trial"]]  # by variant

_SEPARABLE = 4.0  # a loss of precision that stays below so many times the error of honest arithmetic is no loss


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One solver, or one question about the task. `ok`: as it should be. `what` happened, on which `case` and `distribution`."""

    solver: str
    expected: str
    ok: bool
    what: str
    case: str = ""
    distribution: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One variant on one call. `reason`: why it was not tried; else `wrong` with an error of `worst` times its gate."""

    case: str
    distribution: str
    timed: bool
    reason: str = ""
    wrong: bool = False
    same: bool = False  # bit by bit the right answer
    worst: float = 0.0
    detail: str = ""

    @property
    def group(self) -> tuple[str, bool]:
        return self.distribution, self.timed


@dataclass(slots=True)
class Ledger:
    """Trials by solver and variant."""

    trials: dict[str, dict[str, list[Trial]]] = field(default_factory=dict)

    def add(self, setting: Setting) -> None:
        """Try every solver on one call."""
        for solver in SOLVERS:
            for variant, answers in solver.variants(setting):
                self.trials.setdefault(solver.name, {}).setdefault(variant, []).append(_trial(setting, answers))

    def lines(self) -> Iterator[Line]:
        """One a solver, in their order."""
        for solver in SOLVERS:
            trials = self.trials.get(solver.name, {})
            match solver.kind:
                case Kind.HONEST:
                    yield _honest(solver, trials)
                case Kind.PRECISION:
                    yield _precision(solver, trials, self.trials.get(FLOAT32, {}))
                case Kind.TRIVIAL | Kind.SENSITIVE:
                    yield _caught_everywhere(solver, trials)


def _trial(setting: Setting, answers: Answers | str) -> Trial:
    case, distribution = setting.place
    timed = setting.planned.case.timed
    if isinstance(answers, str):
        return Trial(case=case, distribution=distribution, timed=timed, reason=answers)
    found, same = setting.judge(answers), setting.is_right(answers)
    return Trial(
        case=case,
        distribution=distribution,
        timed=timed,
        wrong=bool(found.detail),
        same=same,
        worst=found.worst,
        detail=found.detail,
    )


def _honest(solver: Solver, by: By) -> Line:
    tried = _tried(by)
    if not tried:
        return _untried(solver, by)
    worst = max(tried, key=lambda trial: (trial.wrong, trial.worst))
    count = sum(trial.wrong for trial in tried)
    what = (
        f"refused on {count} of {len(tried)} calls: {worst.detail}" if count else f"passes; its largest error is {worst.worst:.2g} x gate"
    )
    return _line(solver, ok=not count, what=what, trial=worst)


def _caught_everywhere(solver: Solver, by: By) -> Line:
    """Wrong in some case of every distribution, for each variant by itself."""
    hardest: Trial | None = None
    calls = caught = 0
    for variant, trials in by.items():
        # The right answer is no cheat; but an answer that other contents leave unchanged is what is looked for.
        tried = [trial for trial in trials if not trial.reason and (solver.kind is Kind.SENSITIVE or not trial.same)]
        calls, caught = calls + len(tried), caught + sum(trial.wrong for trial in tried)
        for group in dict.fromkeys(trial.group for trial in tried):
            best = max((trial for trial in tried if trial.group == group), key=lambda trial: (trial.wrong, trial.worst))
            if not best.wrong:
                return _line(solver, ok=False, what=_escape(solver, variant, best), trial=best)
            hardest = best if hardest is None or best.worst < hardest.worst else hardest
    if hardest is None:
        return _untried(solver, by)
    return _line(
        solver,
        ok=True,
        what=f"{_SEEN[solver.kind]} on {caught} of {calls} calls; least visible at {_times(hardest.worst)}",
        trial=hardest,
    )


def _escape(solver: Solver, variant: str, trial: Trial) -> str:
    inputs = f"{trial.distribution} inputs{' of the timed size' * trial.timed}"
    if solver.kind is Kind.SENSITIVE:
        how = "at all" if trial.same else f"by more than {trial.worst:.2g} x its gate"
        return f"other contents in the {variant} change no output {how}, with any {inputs}"
    return f"passes on all {inputs} ({variant}): its error is at most {trial.worst:.2g} x gate"


def _precision(solver: Solver, by: By, honest: By) -> Line:
    """Wrong on some call of each scale, or no worse than honest arithmetic on any."""
    plain = {(trial.case, trial.distribution): trial.worst for trials in honest.values() for trial in trials if not trial.reason}
    inseparable = hardest = None
    for variant, trials in by.items():
        tried = [trial for trial in trials if not trial.reason and not trial.same]
        for timed in dict.fromkeys(trial.timed for trial in tried):
            here = [trial for trial in tried if trial.timed is timed]
            best = max(here, key=lambda trial: (trial.wrong, trial.worst))
            if best.wrong:
                hardest = best if hardest is None or best.worst < hardest.worst else hardest
                continue
            excess = max(trial.worst / max(plain.get((trial.case, trial.distribution), 0.0), 1e-9) for trial in here)
            where = f"{' in ' + variant if variant else ''}{' at the timed size' * timed}"
            if excess > _SEPARABLE:
                what = (
                    f"passes every call{where}: its error is at most {best.worst:.2g} x gate, and {excess:.3g} x that of honest arithmetic"
                )
                return _line(solver, ok=False, what=what, trial=best)
            inseparable = _line(solver, ok=True, what=f"not separable{where}: no worse than {excess:.2g} x honest arithmetic", trial=best)
    if inseparable is not None:
        return inseparable
    if hardest is None:
        return _untried(solver, by)
    tried = [trial for trial in _tried(by) if not trial.same]
    what = f"wrong on {sum(trial.wrong for trial in tried)} of {len(tried)} calls; least visible at {_times(hardest.worst)}"
    return _line(solver, ok=True, what=what, trial=hardest)


def _tried(by: By) -> list[Trial]:
    return [trial for trials in by.values() for trial in trials if not trial.reason]


def _untried(solver: Solver, by: By) -> Line:
    reasons = dict.fromkeys(trial.reason for trials in by.values() for trial in trials if trial.reason)
    what = "; ".join(reasons) or "gives the right answer wherever it can be tried"
    return Line(solver=solver.name, expected=_EXPECTED[solver.kind], ok=True, what=f"not tried: {what}")


def _line(solver: Solver, *, ok: bool, what: str, trial: Trial) -> Line:
    return Line(solver=solver.name, expected=_EXPECTED[solver.kind], ok=ok, what=what, case=trial.case, distribution=trial.distribution)


def _times(worst: float) -> str:
    """An error over its gate; what is not a number, or has no gate, is beyond measure."""
    return "no finite error" if worst >= FAR else f"{worst:.2g} x gate"


_SEEN = {Kind.TRIVIAL: "wrong", Kind.SENSITIVE: "an output moves"}
_EXPECTED = {Kind.TRIVIAL: "fails", Kind.PRECISION: "fails", Kind.SENSITIVE: "holds", Kind.HONEST: "passes"}
