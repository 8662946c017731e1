"""Every reader of models: Keras files, hls4ml's ModelGraph, and their exact lowering to integers."""
