"""What a robot's sensors publish, as frames: decoding, matching by time, poses by a tree of frames, registration.

Fields of messages are read, whoever made them, so this needs no ROS: `memory_node` and the readers of bags take the
same steps.
"""
