"""The layers of a network, read back out of the C that was generated for it: which kernels run which layer, in order."""

from __future__ import annotations

import re

from myo_host.profile.sections import PlannedLayer
from myo_pipeline.errors import ProfileError

RUN = ("net_run", "net_run_observed")  # either may have been compiled into the other
PUSH = ("net_push",)
_BODIES = {"run": ("net_run_observed",), "push": ("advance", "net_push")}

# Where a core has a choice of kernels, each one's call stands there; they differ in the name's variant only: keep the last.
_OTHER_CHOICES = re.compile(r"^#if !?MYO_NN_\w+\n.*?^#else\n", re.MULTILINE | re.DOTALL)
_LAYER = re.compile(r"^ +/\* (?P<index>\d+): (?P<names>\w+(?: \+ \w+)*)\b(?P<rest>[^\n]*)\*/$", re.MULTILINE)
_MACS = re.compile(r"(\d+) MACs")
_CALL = re.compile(r"^ +(\w+)\(", re.MULTILINE)


def read_layers(source: str, push: bool = False) -> list[PlannedLayer]:
    """Return the layers of ``net.c`` in the order in which a run, or a push, goes through them.

    Parameters
    ----------
    source
        Text of a generated ``net.c``.
    push
        Whether of ``net_push``, whose streamed layers come first.

    Raises
    ------
    ProfileError
        If it holds no such function.
    """
    layers = []
    for function in _BODIES["push" if push else "run"]:
        found = re.search(
            rf"^(?:static )?void {function}\([^;{{]*\{{\n(.*?)^\}}", source, re.MULTILINE | re.DOTALL
        )
        if found is None:
            if function == "advance":  # nothing streams
                continue
            raise ProfileError(f"net.c: has no {function}; generate it again{' with --hop' if push else ''}")
        body = _OTHER_CHOICES.sub("", found[1])
        heads = list(_LAYER.finditer(body))
        ends = [head.start() for head in heads[1:]] + [len(body)]
        for head, end in zip(heads, ends, strict=True):
            macs = _MACS.search(head["rest"])
            kernels = tuple(_CALL.findall(body, head.end(), end))
            layers.append(
                PlannedLayer(int(head["index"]), head["names"], int(macs[1]) if macs else 0, kernels)
            )
    return layers
