"""A network with an LSTM as the converter takes it: Keras 3 gives it a loop, ``tf_keras`` one operator.

The converter knows an LSTM by the name that the earlier Keras gives its function; the loop of Keras 3 it takes apart, and
ends the process over it in int8. Weights are the same in both, in shape and in order.
"""

from __future__ import annotations

from typing import Any

from myo_training.quiet import import_tensorflow, quiet_stderr


def rebuild(model: Any) -> Any:  # noqa: ANN401
    """Build a chain of reshapes, LSTMs and dense layers in ``tf_keras``, for one window at a time.

    Parameters
    ----------
    model
        A Keras model; dropout is left out.
    """
    import_tensorflow()
    with quiet_stderr():
        import tf_keras
    source = x = tf_keras.Input(model.input_shape[1:], batch_size=1, name="emg")
    for layer in model.layers[1:]:
        kind = type(layer).__name__
        if kind != "Dropout":
            x = getattr(tf_keras.layers, kind).from_config(_take_config(layer, kind))(x)
    rebuilt = tf_keras.Model(source, x)
    rebuilt.set_weights(model.get_weights())
    return rebuilt


def _take_config(layer: Any, kind: str) -> dict[str, Any]:  # noqa: ANN401
    keys = {
        "Reshape": ("target_shape",),
        "LSTM": ("units",),
        "Dense": ("units", "activation"),
    }[kind]
    config = layer.get_config()
    return {"name": layer.name} | {key: config[key] for key in keys}
