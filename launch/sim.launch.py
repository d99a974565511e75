"""A simulated home, its robot's memory, and (drive:=true) a policy that tours it.

ros2 launch embodied_mem sim.launch.py seed:=3 drive:=true memory_path:=/tmp/home_memory
"""

from launch.actions import DeclareLaunchArgument, SetEnvironmentVariable
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration, PythonExpression
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from embodied_mem.ros.transport import node_environment
from launch import LaunchDescription

# Typed, because launch reads an argument as YAML: {} would become a mapping, which is no parameter.
ARGUMENTS = {
    "env": (str, "EmbodiedMem/Household-v0", "registered Gymnasium id"),
    "env_options": (str, "{}", "YAML keywords of the environment, such as '{script: demo}'"),
    "seed": (int, "0", "of the environment"),
    "realtime_factor": (float, "1.0", "simulated seconds a second; without drive"),
    "drive": (
        bool,
        "false",
        "start the touring policy; the simulator then waits for its commands (lockstep)",
    ),
    "memory_path": (str, "", "the memory's folder; empty keeps it in RAM"),
}


def generate_launch_description() -> LaunchDescription:
    environment = node_environment(base={})
    chosen = {
        name: ParameterValue(LaunchConfiguration(name), value_type=kind)
        for name, (kind, _, _) in ARGUMENTS.items()
    }
    drive = LaunchConfiguration("drive")
    lockstep = ParameterValue(PythonExpression(["'", drive, "'.lower() in ('true', '1')"]), value_type=bool)
    env = {"env": chosen["env"], "env_options": chosen["env_options"], "seed": chosen["seed"]}
    sim = {**env, "lockstep": lockstep, "realtime_factor": chosen["realtime_factor"]}
    memory = {
        "use_sim_time": True,
        "path": chosen["memory_path"],
        "input.use_segmentation": True,
        "input.reliability": "reliable",
    }
    return LaunchDescription(
        [
            *(
                DeclareLaunchArgument(name, default_value=value, description=text)
                for name, (_, value, text) in ARGUMENTS.items()
            ),
            *(SetEnvironmentVariable(name, value) for name, value in environment.items()),
            Node(package="embodied_mem", executable="sim_node", output="screen", parameters=[sim]),
            Node(package="embodied_mem", executable="memory_node", output="screen", parameters=[memory]),
            Node(
                package="embodied_mem",
                executable="driver_node",
                output="screen",
                parameters=[env],
                condition=IfCondition(drive),
            ),
        ]
    )
