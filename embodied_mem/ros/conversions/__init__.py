"""ROS messages to the package's own and back, nothing lost but what ROS cannot say.

A time of zero in a ROS message means "not given": now, no bound, or still.
"""
