"""Reads ONNX files with the quantisers of QONNX, by a grammar of our own: neither onnx nor a runtime sees the file."""
