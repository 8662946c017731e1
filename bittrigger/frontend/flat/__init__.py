"""A Keras model as a plain list of calls: nested models, wrappers and shared layers taken apart before anything is parsed."""
