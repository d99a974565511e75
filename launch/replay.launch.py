"""Play a bag into the memory node. Topics are remapped as in robot.launch.py.

    ros2 launch embodied_mem replay.launch.py bag:=my_bag rate:=1.0 rgb:=/camera/rgb depth:=/camera/depth ...

Without ROS's launch, and faster: `embodied-mem replay my_bag`.
"""

from pathlib import Path

from launch.actions import DeclareLaunchArgument, ExecuteProcess, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration

from launch import LaunchDescription


def generate_launch_description() -> LaunchDescription:
    robot = PythonLaunchDescriptionSource(str(Path(__file__).with_name("robot.launch.py")))
    play = [
        "ros2",
        "bag",
        "play",
        LaunchConfiguration("bag"),
        "--rate",
        LaunchConfiguration("rate"),
        "--clock",
    ]
    return LaunchDescription(
        [
            DeclareLaunchArgument("bag", description="rosbag2 folder"),
            DeclareLaunchArgument("rate", default_value="1.0", description="how fast to play it"),
            IncludeLaunchDescription(robot, launch_arguments={"use_sim_time": "true"}.items()),
            ExecuteProcess(cmd=play, output="screen"),
        ]
    )
