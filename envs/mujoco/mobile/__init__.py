"""Memory tasks in a home: what was where in which room, what moved, what changed, what was searched already, whom to follow.

`env.MobileTaskEnv` is the environment, `tasks` has the tasks. Nothing is imported here, so that the names can be registered
without MuJoCo.
"""

MOBILE_TASK_NAMES = ("FetchSeenObject", "MovedObject", "WhatChanged", "SearchNoRevisit")
"""Those of `env.MobileTaskEnv`; TrackPerson is `tracking.TrackPersonEnv`."""
TRACK_PERSON = "TrackPerson"
HOME_TASK_NAMES = (*MOBILE_TASK_NAMES, TRACK_PERSON)
