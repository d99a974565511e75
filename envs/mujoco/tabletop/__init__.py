"""Memory tasks on a table: a cue, a gate that hides it, a choice that only memory can make better than chance.

`env.TabletopEnv` is the environment, `catalog` has the tasks, `expert.ScriptedExpert` solves them, `task.Task` is what a
new one implements. Nothing is imported here, so that the names can be registered without MuJoCo.
"""

TASK_NAMES = (
    "PutBlockBack", "ReopenDrawer", "RearrangeBlock", "RememberColor3", "RememberColor5", "RememberColor9",
    "ShellGameSwap", "CountBlinks", "ChainOfColors3", "ChainOfColors5", "SeqPushButtons", "LiftNTimes", "TakeItBack",
    "HiddenInDrawer", "PlaceAfterButton",
)  # fmt: skip
"""Each is registered as `EmbodiedMem/<name>-v0` and, with three distracting scenes, `EmbodiedMem/<name>-Interference3-v0`."""
NUM_DISTRACTING_SCENES = 3
