"""The vocabulary: frozen stdlib dataclasses and enums, no I/O, no third-party import.

Units everywhere: times in µs (durations of our own work in seconds), sizes in bytes, rates in bytes/s and FLOP/s, money in USD.
"""

from kernelsearch.model.arg import Arg, ArgKind, Distribution, DType
from kernelsearch.model.candidate import Candidate, Launch, LaunchPlan, Origin, Scratch, Usage
from kernelsearch.model.condition import Condition
from kernelsearch.model.directive import BanditSettings, Directive, Gain, Kind
from kernelsearch.model.evaluation import (
    Build,
    Check,
    Confirmation,
    Environment,
    Evaluation,
    Finding,
    Hazard,
    KernelResources,
    Verdict,
)
from kernelsearch.model.expression import Expression
from kernelsearch.model.hardware import Calibration, Hardware, Peak
from kernelsearch.model.measurement import CaseTiming, Interval, Measurement, TimeKind
from kernelsearch.model.profile import Bottleneck, HotLine, Metric, MetricSet, Profile, Resource, Thresholds
from kernelsearch.model.reward import Reward, RewardProfile, Term, TermKind
from kernelsearch.model.run import Attempt, Budget, Context, Node, Outcome, Proposal, RunSpec, Thought, Totals
from kernelsearch.model.suite import Row
from kernelsearch.model.task import (
    Case,
    Cost,
    Form,
    Policy,
    Reference,
    Task,
    Tolerance,
    TorchCall,
    Yardstick,
)
from kernelsearch.model.team import Mended, Plan, Prediction, Teamwork

__all__ = [
    "Arg",
    "ArgKind",
    "Attempt",
    "BanditSettings",
    "Bottleneck",
    "Budget",
    "Build",
    "Calibration",
    "Candidate",
    "Case",
    "CaseTiming",
    "Check",
    "Condition",
    "Confirmation",
    "Context",
    "Cost",
    "Distribution",
    "DType",
    "Directive",
    "Environment",
    "Evaluation",
    "Expression",
    "Finding",
    "Form",
    "Gain",
    "Hardware",
    "Hazard",
    "HotLine",
    "Interval",
    "KernelResources",
    "Kind",
    "Launch",
    "LaunchPlan",
    "Measurement",
    "Mended",
    "Metric",
    "MetricSet",
    "Node",
    "Origin",
    "Outcome",
    "Peak",
    "Plan",
    "Policy",
    "Prediction",
    "Profile",
    "Proposal",
    "Reference",
    "Resource",
    "Reward",
    "RewardProfile",
    "Row",
    "RunSpec",
    "Scratch",
    "Task",
    "Teamwork",
    "Term",
    "TermKind",
    "Thought",
    "Thresholds",
    "TimeKind",
    "Tolerance",
    "TorchCall",
    "Totals",
    "Usage",
    "Verdict",
    "Yardstick",
]
