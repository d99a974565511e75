"""The memory layers: each keeps one kind of memory; none knows another."""
