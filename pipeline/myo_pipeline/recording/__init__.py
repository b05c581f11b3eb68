"""Recordings in the formats that laboratories use: one reader, one writer, counts bit for bit."""

from myo_pipeline.recording.files import FORMATS, read_recording, write_recording
from myo_pipeline.recording.recording import Annotation, Recording

__all__ = ["FORMATS", "Annotation", "Recording", "read_recording", "write_recording"]
