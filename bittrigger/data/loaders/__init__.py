"""Files of events, public ones and those that were made here, read and checked."""
