"""What each layer of Keras computes at inference: its options, weights, and where its codes come from."""
