"""The data sets that MyoPatch reads in their public layouts: one small module a set, listed here.

A module says what its set is (layout, rate, unit, labels, licence, citation, known faults) and how a file of it becomes
recordings; what all share (lazy listing, order, checks, one-line errors) is in :mod:`~myo_training.data_sets.file_set`.
A set is added by writing such a module with an ``ENTRY`` (or ``ENTRIES``) and naming it here.
"""

from __future__ import annotations

from myo_training.data_sets import (
    capgmyo,
    elderly_emg_dyn,
    emg_epn612,
    emgdb,
    fatigue_plux,
    hyser,
    ninapro,
    suguru_longterm,
    uci_gestures,
    uci_lower_limb,
)
from myo_training.data_sets.entry import CatalogueEntry

ENTRIES: tuple[CatalogueEntry, ...] = (
    suguru_longterm.ENTRY,
    uci_lower_limb.ENTRY,
    elderly_emg_dyn.ENTRY,
    emgdb.ENTRY,
    fatigue_plux.ENTRY,
    uci_gestures.ENTRY,
    emg_epn612.ENTRY,
    *ninapro.ENTRIES,
    *capgmyo.ENTRIES,
    *hyser.ENTRIES,
)
