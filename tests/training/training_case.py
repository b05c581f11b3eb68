"""Small specs and recordings that the training tests share."""

from __future__ import annotations

import csv
from pathlib import Path

from myo_pipeline.spec import PatchSpec
from myo_training.simulation import SimulatedSet, SimulationSize

SPEC = """
format = 1
name = "tiny"
[sensor]
channels = 4
rate_hz = 200.0
lsb_uv = 1.0
adc_bits = 10
[[stage]]
kind = "highpass"
cutoff_hz = 15.0
order = 2
[window]
window_ms = 200.0
hop_ms = 100.0
[model]
kind = "cnn"
filters = [8, 8]
kernel = 5
strides = [1, 2]
dense = 8
[output]
{output}
[decision]
vote = 3
[training]
data = "{data}"
held_out_persons = 2
validation_persons = 1
epochs = {epochs}
batch_size = 32
hop_ms = 100.0
seed = 3
"""
CLASSES = 'kind = "classes"\nlabels = ["rest", "fist", "open"]'
VALUES = 'kind = "values"\nnames = ["force"]'
SMALL = SimulationSize(n_persons=5, n_sessions=2, n_bouts=2)


def make_text(output: str = CLASSES, data: str = "recordings", epochs: int = 8) -> str:
    return SPEC.format(output=output, data=data, epochs=epochs)


def write_csv_folder(spec: PatchSpec, folder: Path) -> None:
    """Write a small simulated set as a user's own CSV files."""
    data = SimulatedSet(spec, seed=1, size=SMALL)
    folder.mkdir(parents=True)
    channels = [f"ch{i + 1}" for i in range(spec.sensor.channels)]
    classes = data.info.kind == "classes"
    outputs = ", ".join(f'"{name}"' for name in data.info.outputs)
    (folder / "dataset.toml").write_text(
        f"rate_hz = {spec.sensor.rate_hz}\nlsb_uv = {spec.sensor.lsb_uv}\nchannels = {channels}\n"
        f"{'labels' if classes else 'values'} = [{outputs}]\nlicence = 'none'\n"
    )
    for recording in data.recordings():
        with (folder / f"{'_'.join(recording.key)}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow([*channels, *(["label"] if classes else data.info.outputs)])
            for counts, label in zip(recording.emg.tolist(), recording.labels.tolist(), strict=True):
                writer.writerow([*counts, *([label] if classes else [f"{v:.6f}" for v in label])])
