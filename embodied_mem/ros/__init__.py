"""The ROS 2 shell: messages in, memory called, messages out.

`memory_node` is the memory on a robot, `sim_node` any registered environment as a robot, `driver` a policy that
drives it. All need rclpy and embodied_mem_interfaces (`make setup`, or apt and colcon: docs/install.md); how sensor
messages become frames is in `embodied_mem.sensing`, which needs no ROS.
"""
