"""The command `embodied-mem`: a shell around RobotMemory, the environments and the benchmarks."""
