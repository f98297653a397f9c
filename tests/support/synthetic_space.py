"""A made-up tuning space: rugged, with parameters that depend on each other, failures and noise. Never a result, only a test's ground."""

import itertools
import math
import random

from kernelsearch.formats.kerneltuner import Invalidity, Recording, Trial

PARAMETERS = {
    "BX": (16, 32, 64, 128),
    "BY": (1, 2, 4, 8, 16),
    "TILE": (1, 2, 4, 8),
    "VEC": (1, 2, 4),
    "PAD": (0, 1),
    "STAGE": (0, 1, 2),
    "UNROLL": (1, 2, 4),
}
DEFAULT = dict(zip(PARAMETERS, (16, 4, 1, 1, 0, 0, 1), strict=True))


def recording(seed: int = 0, *, noise: float = 0.005) -> Recording:
    """Times from single effects, effects of pairs and a term of each point's own, all drawn from `seed`."""
    draw = random.Random(seed)
    names = list(PARAMETERS)
    single = {(n, v): draw.uniform(0, 0.5) for n in names for v in PARAMETERS[n]}
    pairs = {(n, v, m, w): draw.uniform(0, 0.3) for n, m in itertools.combinations(names, 2) for v in PARAMETERS[n] for w in PARAMETERS[m]}
    trials = []
    for values in itertools.product(*PARAMETERS.values()):
        point = dict(zip(names, values, strict=True))
        if not 64 <= point["BX"] * point["BY"] <= 512 or (point["STAGE"] == 0 and point["PAD"]) or point["VEC"] > point["BX"] // 16 * 2:
            continue
        cost = sum(single[item] for item in point.items())
        cost += sum(pairs[(n, point[n], m, point[m])] for n, m in itertools.combinations(names, 2)) / 2
        time = 0.1 * math.exp(cost + draw.gauss(0, 0.03) - 2)
        fails = point["TILE"] * point["VEC"] >= 16 and point["BX"] * point["BY"] >= 256 and point != DEFAULT
        runtimes = tuple(time * (1 + abs(draw.gauss(0, noise))) for _ in range(9))
        trials.append(
            Trial(configuration=point, invalidity=Invalidity.RUNTIME)
            if fails
            else Trial(
                configuration=point,
                invalidity=Invalidity.CORRECT,
                runtimes=runtimes,
                time=sorted(runtimes)[4],
                measurements={"registers": (32.0, "registers/thread")},
            )
        )
    return Recording(
        kernel="synthetic", device="none", problem=(1, 1), parameters=PARAMETERS, trials=tuple(trials), metadata={"default": DEFAULT}
    )
