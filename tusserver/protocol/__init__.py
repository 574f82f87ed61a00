"""Rules of the protocol: pure functions, no I/O, standard library only."""
