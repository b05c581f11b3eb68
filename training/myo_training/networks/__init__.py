"""The networks that Keras learns: their shapes, and the forms in which one shape is laid."""
