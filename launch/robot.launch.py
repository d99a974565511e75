"""The memory on a robot: remap its topics to the camera's and the odometry's.

    ros2 launch embodied_mem robot.launch.py rgb:=/camera/color/image_raw depth:=/camera/aligned_depth_to_color/image_raw \\
        camera_info:=/camera/color/camera_info odometry:=/odom world_frame:=odom memory_path:=~/memory
"""

from launch.actions import DeclareLaunchArgument, SetEnvironmentVariable
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from embodied_mem.ros.transport import node_environment
from launch import LaunchDescription

TOPICS = ("rgb", "depth", "camera_info", "depth_camera_info", "segmentation", "odometry", "events")
PARAMETERS = {
    "world_frame": ("map", "the frame that the memory lives in: map, or odom where nothing corrects it"),
    "use_segmentation": ("false", "an InstanceSegmentation comes with each image"),
    "reliability": ("best_effort", "of the images' topics: best_effort hears all, reliable loses nothing"),
    "memory_path": ("", "the memory's folder; empty keeps it in RAM"),
    "use_sim_time": ("false", "time comes from /clock"),
    "autostart": ("true", "configure and activate without a lifecycle manager"),
}


def generate_launch_description() -> LaunchDescription:
    environment = node_environment(base={"MUJOCO_GL": "egl"})
    chosen = {name: LaunchConfiguration(name) for name in (*TOPICS, *PARAMETERS)}
    return LaunchDescription(
        [
            *(DeclareLaunchArgument(name, default_value=name, description="topic") for name in TOPICS),
            *(
                DeclareLaunchArgument(name, default_value=value, description=text)
                for name, (value, text) in PARAMETERS.items()
            ),
            # On a robot other machines listen too: only what keeps images from being lost is set, not the discovery range.
            *(
                SetEnvironmentVariable(name, environment[name])
                for name in ("FASTDDS_DEFAULT_PROFILES_FILE", "OMP_WAIT_POLICY")
            ),
            Node(
                package="embodied_mem",
                executable="memory_node",
                output="screen",
                remappings=[(name, chosen[name]) for name in TOPICS],
                parameters=[
                    {
                        "use_sim_time": chosen["use_sim_time"],
                        "autostart": chosen["autostart"],
                        "path": chosen["memory_path"],
                        "input.world_frame": chosen["world_frame"],
                        "input.reliability": chosen["reliability"],
                        "input.use_segmentation": chosen["use_segmentation"],
                    }
                ],
            ),
        ]
    )
