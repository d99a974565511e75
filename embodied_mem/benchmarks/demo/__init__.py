"""The demo: a household episode, questions about it, and the answers graded against the simulator's own log."""
