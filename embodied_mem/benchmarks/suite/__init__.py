"""The memory benchmark suite: which memory helps a robot on tasks whose chance level is proven, and by how much."""
