"""Keep TensorFlow's start-up and converter chatter off a user's terminal.

Nothing but this module sets TensorFlow's environment, so it is imported before TensorFlow, always through
:func:`import_tensorflow`.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from myo_pipeline.errors import MyoError


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Send what native code writes to descriptor 2 into a file, and show it if the block fails, but for errors of ours."""
    try:
        saved = os.dup(2)
    except OSError:  # stderr is closed: nothing to keep quiet
        yield
        return
    if sys.stderr is not None:
        sys.stderr.flush()
    with tempfile.TemporaryFile() as log:
        os.dup2(log.fileno(), 2)
        try:
            yield
        except MyoError:
            raise  # says all there is to say
        except Exception:
            os.dup2(saved, 2)
            log.seek(0)
            tail = log.read()[-4000:]
            os.write(2, tail)
            raise
        finally:
            if sys.stderr is not None:
                sys.stderr.flush()
            os.dup2(saved, 2)
            os.close(saved)


def import_tensorflow() -> Any:  # noqa: ANN401 - TensorFlow has no types
    """Import TensorFlow with its messages off and everything random or reordered made repeatable."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    # oneDNN picks kernels by processor and announces itself; without it results repeat on more machines.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    with quiet_stderr():
        import tensorflow as tf
        from absl import logging

        logging.set_verbosity(logging.ERROR)
        tf.get_logger().setLevel("ERROR")
        tf.config.experimental.enable_op_determinism()
    return tf
