"""Every known set that is on this machine opens, and its recordings are what the loader promises."""

from __future__ import annotations

import pytest

from data_set_case import read_all
from myo_training.datasets import CATALOGUE, find_dataset, open_known

PERSONS = {
    "suguru_longterm": 4,
    "uci_lower_limb": 21,
    "elderly_emg_dyn": 30,
    "myo_readings": 29,
    "emgdb": 3,
    "fatigue_plux": 2,
}


@pytest.mark.parametrize(
    ("name", "kind"), [(name, kind) for name in PERSONS for kind in CATALOGUE[name].kinds]
)
def test_it_opens(name: str, kind: str) -> None:
    folder = find_dataset(name)
    if folder is None:
        pytest.skip(f"{name} is not in any folder of data sets")
    data = open_known(name, folder, kind)
    assert data.info.name == name
    assert data.info.kind == kind
    persons = data.persons()
    assert len(persons) == PERSONS[name]
    assert read_all(data, [persons[0], persons[-1]])
