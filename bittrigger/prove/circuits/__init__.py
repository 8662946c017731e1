"""What a circuit means: nets in order, registers, words as linear forms, bits as graphs, and equality decided by ABC."""
