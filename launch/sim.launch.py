"""A simulated home, its robot's memory, and (drive:=true) a policy that tours it.

ros2 launch embodied_mem sim.launch.py seed:=3 drive:=true memory_path:=/tmp/home_memory
"""

from launch.actions import DeclareLaunchArgument, SetEnvironmentVariable
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration, PythonExpression
from launch_ros.actions import Node

from embodied_mem.ros.transport import node_environment
from launch import LaunchDescription

ARGUMENTS = {
    "env": ("EmbodiedMem/Household-v0", "registered Gymnasium id"),
    "env_options": ("{}", "YAML keywords of the environment, such as {script: demo}"),
    "seed": ("0", "of the environment"),
    "realtime_factor": ("1.0", "simulated seconds a second; without drive"),
    "drive": ("false", "start the touring policy; the simulator then waits for its commands (lockstep)"),
    "memory_path": ("", "the memory's folder; empty keeps it in RAM"),
}


def generate_launch_description() -> LaunchDescription:
    environment = node_environment(base={})
    chosen = {name: LaunchConfiguration(name) for name in ARGUMENTS}
    lockstep = PythonExpression(["'", chosen["drive"], "'.lower() == 'true'"])
    env = {"env": chosen["env"], "env_options": chosen["env_options"], "seed": chosen["seed"]}
    return LaunchDescription(
        [
            *(
                DeclareLaunchArgument(name, default_value=value, description=text)
                for name, (value, text) in ARGUMENTS.items()
            ),
            *(SetEnvironmentVariable(name, value) for name, value in environment.items()),
            Node(
                package="embodied_mem",
                executable="sim_node",
                output="screen",
                parameters=[{**env, "lockstep": lockstep, "realtime_factor": chosen["realtime_factor"]}],
            ),
            Node(
                package="embodied_mem",
                executable="memory_node",
                output="screen",
                parameters=[
                    {
                        "use_sim_time": True,
                        "path": chosen["memory_path"],
                        "input.use_segmentation": True,
                        "input.reliability": "reliable",
                    }
                ],
            ),
            Node(
                package="embodied_mem",
                executable="driver_node",
                output="screen",
                parameters=[env],
                condition=IfCondition(chosen["drive"]),
            ),
        ]
    )
