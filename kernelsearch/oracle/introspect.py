"""Reads a problem by running it: which tensors go in and come out, which contents it has an answer for, what it costs at least.

A parameter is an input like any other: its contents are the verifier's. So is a buffer that the constructor draws, and the running
statistics of a normalisation that uses them; any other buffer is a constant, or, where `forward` writes it, the module's own
affair. What cannot be judged is refused with the reason: outputs that change from call to call or hang on anything but inputs and
parameters, inputs that are written.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch

from kernelsearch.oracle.contents import draw, power_of_two, problem_with
from kernelsearch.oracle.problem import DTYPES, Exact, Fault, build, filled, flat, namespace, state, tree
from kernelsearch.oracle.tally import Tally

_FIRST, _OTHER = 1, 2  # seeds of a constructor
_SAMPLES = 3  # of get_inputs, for the range of integers
_SAME = 1e-3  # of the largest output: two runs on the same contents differ by rounding only
_ZERO_MEAN = ("normal", "spikes", "lognormal", "integers")
_POSITIVE = ("positive", "lognormal")
_STATISTICS = {"running_mean": None, "running_var": "positive"}  # name of a buffer -> the distribution it needs


def describe(source: str, device: torch.device) -> dict[str, Any]:
    """The problem as `client.Description` has it. Raises `Fault`, and whatever the problem's own code raises."""
    return _Reading(source, device).description()


class _Reading:
    def __init__(self, source: str, device: torch.device) -> None:
        self.device = device
        self.space = namespace(source)
        torch.manual_seed(_FIRST)
        constants: dict[str, torch.Tensor] = {}
        self.init = tree(list(self.space["get_init_inputs"]()), "", constants)
        if constants:
            raise Fault("get_init_inputs returns a tensor; a constructor can be given numbers, texts, lists and tuples")
        self.given: dict[str, torch.Tensor] = {}
        self.inputs = tree(list(self.space["get_inputs"]()), "x", self.given)
        self.given = {name: value.to(device) for name, value in self.given.items()}
        self.model = self._build(_FIRST)
        self.assumptions: list[str] = []
        self._run()
        self._choose_state()
        if differing := self._drawn_elsewhere():
            raise Fault(f"output {differing} hangs on something that the constructor draws and that is neither parameter nor buffer")
        self._drop_idle()

    def _build(self, seed: int) -> torch.nn.Module:
        return build(self.space, self.init, seed, self.device)

    def _call(self, model: torch.nn.Module) -> Any:  # noqa: ANN401 - what forward returns
        torch.seed()  # another one each time, so that a draw in forward shows
        with torch.no_grad():
            return model(*filled(self.inputs, {name: value.clone() for name, value in self.given.items()}))

    def _run(self) -> None:
        """One pass under observation and one more; sets `outputs`, `results`, `tally` and `written`, the state that forward writes."""
        before = {name: value.detach().clone() for name, value in state(self.model).items()}
        passed = {name: value.clone() for name, value in self.given.items()}  # of version 0, which counts writes in place
        with torch.no_grad(), Tally({**passed, **state(self.model)}) as tally:
            returned = self.model(*filled(self.inputs, passed))
        self.tally = tally
        self.results: dict[str, torch.Tensor] = {}
        self.outputs = tree(returned, "y", self.results)
        if not self.results:
            raise Fault("forward returns no tensor")
        self.results = {name: value.detach() for name, value in self.results.items() if _fact(name, "output", value)}
        if changed := [name for name, value in passed.items() if value._version or not _equal(value, self.given[name])]:
            raise Fault(f"forward writes its input {changed[0]}, which no candidate may")
        places = {value.untyped_storage().data_ptr() for value in (*passed.values(), *state(self.model).values())}
        if shared := [name for name, value in self.results.items() if value.untyped_storage().data_ptr() in places]:
            raise Fault(f"output {shared[0]} is an input or a parameter itself, so there is nothing to compute")
        self.results = {name: value.clone() for name, value in self.results.items()}
        self.written = {name for name, value in state(self.model).items() if not _equal(value, before[name])}
        if names := sorted(self.written & dict(self.model.named_parameters()).keys()):
            raise Fault(f"forward writes the parameter {names[0]}")
        if differing := self._differing(self._call(self.model)):
            raise Fault(f"output {differing} is another at the second call with the same inputs: dropout, a draw, or state that is kept")

    def _differing(self, returned: object) -> str | None:
        """The first output that is not what the first pass gave."""
        for name, value in flat(returned, self.outputs):
            right = self.results[name].double().nan_to_num()
            if value.shape != right.shape or bool(((value.double().nan_to_num() - right).abs() > _SAME * right.abs().max()).any()):
                return name
        return None

    def _choose_state(self) -> None:
        """Sets `parameters`: which of the module's tensors are inputs, by the names of arguments."""
        other = state(self._build(_OTHER))
        chosen = list(dict(self.model.named_parameters()))
        for name, value in self.model.named_buffers():
            if name in self.written:
                self.assumptions.append(f"buffer {name} is the module's own: forward writes it, and no output hangs on it")
            elif name.rpartition(".")[2] in _STATISTICS or not _equal(value, other[name]):
                chosen.append(name)
        self.parameters: dict[str, str] = {}
        for name in chosen:
            plain = "w_" + "".join(letter if letter.isalnum() else "_" for letter in name)
            while plain in self.parameters:
                plain += "_"
            self.parameters[plain] = name

    def _drawn_elsewhere(self) -> str | None:
        """An output that hangs on something that the constructor draws and that is not among `parameters`."""
        model, held = self._build(_OTHER), state(self.model)
        mine = state(model)
        with torch.no_grad():
            for name in self.parameters.values():
                mine[name].copy_(held[name])
        return self._differing(self._call(model))

    def _drop_idle(self) -> None:
        """Take out parameters that change no output, such as a bias before a normalisation: a candidate may do without them."""
        exact = Exact(self.space, self.init, self.inputs, self.parameters, self.device)
        held = state(self.model)
        idle = exact.idle({**self.given, **{arg: held[name] for arg, name in self.parameters.items()}}, self.outputs)
        all_of_them, self.parameters = self.parameters, {arg: name for arg, name in self.parameters.items() if arg not in idle}
        if idle and self._drawn_elsewhere():  # a gradient of zero that was none
            self.parameters = all_of_them
            return
        self.assumptions += [f"parameter {all_of_them[arg]} changes no output, so candidates need not use it" for arg in idle]

    def description(self) -> dict[str, Any]:
        facts = [*self._inputs(), *self._state(), *(_fact(name, "output", value) for name, value in self.results.items())]
        dtypes = {fact["name"]: fact["dtype"] for fact in facts}
        size = {fact["name"]: math.prod(fact["shape"]) for fact in facts}
        counted = [fact for fact in facts if fact["role"] == "output" or not self.tally.partial]
        return {
            "init": self.init,
            "inputs": self.inputs,
            "outputs": self.outputs,
            "tensors": facts,
            "distributions": self._distributions(facts, dtypes),
            "reduction": self.tally.reduction,
            "bytes": sum(size[fact["name"]] * (_bits(fact["dtype"]) // 8) for fact in counted),
            "flops": self.tally.flops,
            "assumptions": self.assumptions,
        }

    def _inputs(self) -> list[dict[str, Any]]:
        samples = [self.given]
        if any(not value.is_floating_point() for value in self.given.values()):
            for seed in range(_SAMPLES):
                torch.manual_seed(_FIRST + 1 + seed)
                samples.append({})
                tree(list(self.space["get_inputs"]()), "x", samples[-1])
        facts = []
        for name, value in self.given.items():
            fact = _fact(name, "input", value)
            if value.is_floating_point():
                scale = power_of_two(value)
                fact["scale"] = scale if not 0.25 <= scale <= 4 else 1.0  # a uniform draw is not meant to be small
            elif value.dtype is not torch.bool:
                fact["low"] = min(int(sample[name].min()) for sample in samples)
                fact["high"] = max(int(sample[name].max()) for sample in samples) + 1
                self.assumptions.append(f"{name} holds integers from {fact['low']} to {fact['high'] - 1}, without further structure")
            facts.append(fact)
        return facts

    def _state(self) -> list[dict[str, Any]]:
        held = state(self.model)
        facts = []
        for arg, name in self.parameters.items():
            fact = {**_fact(arg, "parameter", held[name]), "state": name}
            if held[name].is_floating_point():
                fact["scale"] = power_of_two(held[name])
                fact["distribution"] = _STATISTICS.get(name.rpartition(".")[2])
            else:
                fact["low"], fact["high"] = int(held[name].min()), int(held[name].max()) + 1
            facts.append(fact)
        return facts

    def _distributions(self, facts: list[dict[str, Any]], dtypes: Mapping[str, str]) -> list[str]:
        """Those of which the exact outputs can be judged: zero mean first, and positive ones only where there is no other."""
        exact = Exact(self.space, self.init, self.inputs, self.parameters, self.device)
        faults: dict[str, str | None] = {}
        for name in dict.fromkeys((*_ZERO_MEAN, *_POSITIVE)):
            if name in _POSITIVE and name not in _ZERO_MEAN and faults["normal"] is None:
                continue
            outputs = dict(flat(exact(self._contents(name, facts)), self.outputs))
            faults[name] = problem_with(outputs, dtypes)
        usable = [name for name in _ZERO_MEAN if faults[name] is None] if faults["normal"] is None else []
        usable = usable or [name for name in _POSITIVE if faults.get(name) is None]
        if not usable:
            raise Fault(f"with normal inputs {faults['normal']}, with positive ones {faults.get('positive')}: nothing to judge by")
        if usable[0] != "normal":
            self.assumptions.append(f"inputs and parameters are positive: with normal ones {faults['normal']}")
        return usable

    def _contents(self, distribution: str, facts: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        generator = torch.Generator(self.device).manual_seed(_FIRST)
        held = {**self.given, **{arg: state(self.model)[name] for arg, name in self.parameters.items()}}
        found = {}
        for fact in facts:
            if fact["role"] != "output":
                tensor = held[fact["name"]]
                floats = tensor.is_floating_point()
                own = fact.get("distribution") or distribution
                found[fact["name"]] = draw(own, tensor, fact["scale"], generator) if floats else tensor
        return found


def _equal(one: torch.Tensor, other: torch.Tensor) -> bool:
    return one.shape == other.shape and bool(torch.equal(one.nan_to_num(), other.nan_to_num()))


def _bits(dtype: str) -> int:
    return 8 if dtype == "bool" else int(dtype.lstrip("bfiu"))


def _fact(name: str, role: str, tensor: torch.Tensor) -> dict[str, Any]:
    if tensor.dtype not in DTYPES:
        raise Fault(f"{role} {name} is of type {tensor.dtype}, which cannot be judged here")
    if tensor.numel() == 0:
        raise Fault(f"{role} {name} is empty")
    return {"name": name, "role": role, "dtype": DTYPES[tensor.dtype], "shape": list(tensor.shape)}
