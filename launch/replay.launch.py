"""Play a bag to the memory node, every frame of it: the player waits for the memory.

    ros2 launch embodied_mem replay.launch.py bag:=my_bag memory_path:=~/memory rate:=1.0 world_frame:=odom

The bag's topics are found by what they hold; `use_segmentation:=true` where it has instances. Without ROS's launch, and
faster: `embodied-mem replay my_bag`.
"""

from pathlib import Path

from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from launch import LaunchDescription


def generate_launch_description() -> LaunchDescription:
    robot = PythonLaunchDescriptionSource(str(Path(__file__).with_name("robot.launch.py")))
    chosen = {
        "path": ParameterValue(LaunchConfiguration("bag"), value_type=str),
        "rate": ParameterValue(LaunchConfiguration("rate"), value_type=float),
    }
    return LaunchDescription(
        [
            DeclareLaunchArgument("bag", description="rosbag2 folder or file"),
            DeclareLaunchArgument(
                "rate", default_value="0.0", description="recorded seconds a second; 0: as fast as the memory"
            ),
            IncludeLaunchDescription(
                robot,
                launch_arguments={
                    "use_sim_time": "true",
                    "reliability": "reliable",
                    "pose_wait_s": "5.0",
                }.items(),
            ),
            Node(package="embodied_mem", executable="bag_node", output="screen", parameters=[chosen]),
        ]
    )
