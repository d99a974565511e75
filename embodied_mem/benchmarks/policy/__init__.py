"""`embodied-mem bench policy`: what the banks beside a policy cost."""
