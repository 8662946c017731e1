"""Events of Pythia 8 and their jets, and the sets of jets made of them."""
