"""The ROS 2 shell: messages in, memory called, messages out.

`memory_node` is the memory on a robot, `sim_node` any registered environment as a robot, `driver` a policy that
drives it. `images`, `cameras`, `sync` and `transforms` need no ROS; everything else needs rclpy and
embodied_mem_interfaces (`make setup`, or apt and colcon: docs/install.md).
"""
