"""Every exception that kernelsearch raises on its own account.

    KernelSearchError
    ├─ UsageError           the user's input: unknown task, bad configuration (path and problem)      exit 2
    │  ├─ BaselineFailed    the kernel to start from does not build, run or agree with its reference  exit 2
    │  ├─ RunBusy           another process is writing the run                                       exit 2
    │  └─ PromptTooLong     what a model must be told is more than its prompts may hold              exit 2
    ├─ ToolMissing          nvcc, ncu, bwrap, a driver, a key, a permission: says how to get it       exit 3
    ├─ SandboxBroken        the box failed, not the candidate
    ├─ DeviceLost           sticky CUDA error, vanished GPU: the worker is replaced
    ├─ LlmError
    │  ├─ LlmBusy           rate limit or overload that outlasted the retries
    │  ├─ LlmRefused        the model declined, or its answer was cut off
    │  └─ LlmMisconfigured  wrong key, unknown model, unreachable endpoint
    ├─ ReplyUnusable        no edit in the reply, or it does not apply: quoted back to the model
    ├─ NothingToPropose     a proposer has no further edit for this parent
    └─ JournalDamaged       with the line number

A candidate that fails is not here: its failure is a `Verdict`.
"""

from __future__ import annotations


class KernelSearchError(Exception):
    """Base of all our exceptions; `str()` is one clear sentence with the remedy."""

    exit_code = 1


class UsageError(KernelSearchError):
    """What the user wrote cannot be used; names the place and the remedy."""

    exit_code = 2


class BaselineFailed(UsageError):
    """The kernel a search starts from fails its own evaluation."""


class RunBusy(UsageError):
    """Another process is writing the run folder."""


class PromptTooLong(UsageError):
    """A prompt does not fit into its tokens with all left out that may be."""


class ToolMissing(KernelSearchError):
    """Something the machine must provide is not there; says how to get it."""

    exit_code = 3


class SandboxBroken(KernelSearchError):
    """The box itself failed; nothing is known about the candidate."""

    exit_code = 3


class DeviceLost(KernelSearchError):
    """The device cannot be used any more by this process."""

    exit_code = 3


class LlmError(KernelSearchError):
    """A language model gave no usable answer."""

    exit_code = 3


class LlmBusy(LlmError):
    """Rate limit or overload that outlasted the retries."""


class LlmRefused(LlmError):
    """The model declined to answer, or its answer was truncated or empty."""


class LlmMisconfigured(LlmError):
    """Key, model name or endpoint is wrong."""


class ReplyUnusable(KernelSearchError):
    """A model's reply holds no edit, or the edit does not apply; the text is quoted back to the model."""


class NothingToPropose(KernelSearchError):
    """A proposer knows no further edit for this parent; the strategy closes the parent."""


class JournalDamaged(KernelSearchError):
    """A journal line that is not what was written, with its number."""

    exit_code = 2

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line
