"""The memory on a robot: remap its topics to the camera's and the odometry's.

    ros2 launch embodied_mem robot.launch.py rgb:=/camera/color/image_raw depth:=/camera/aligned_depth_to_color/image_raw \\
        camera_info:=/camera/color/camera_info odometry:=/odom world_frame:=odom memory_path:=~/memory
"""

from launch.actions import DeclareLaunchArgument, SetEnvironmentVariable
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from embodied_mem.ros.transport import node_environment
from launch import LaunchDescription

TOPICS = ("rgb", "depth", "camera_info", "depth_camera_info", "segmentation", "odometry", "events")
# Argument: the node's parameter, its type, its default. Typed, because launch would read an argument as YAML.
ARGUMENTS = {
    "world_frame": ("input.world_frame", str, "map", "the memory's frame: map, or odom where nothing corrects it"),
    "camera_frame": ("input.camera_frame", str, "", "the camera's optical frame; empty: that of its images"),
    "use_segmentation": ("input.use_segmentation", bool, "false", "an InstanceSegmentation comes with each image"),
    "reliability": ("input.reliability", str, "best_effort", "best_effort hears all, reliable loses nothing"),
    "pose_wait_s": ("input.pose_wait_s", float, "0.5", "how long an image waits for its pose"),
    "memory_path": ("path", str, "", "the memory's folder; empty keeps it in RAM"),
    "use_sim_time": ("use_sim_time", bool, "false", "time comes from /clock"),
    "autostart": ("autostart", bool, "true", "configure and activate without a lifecycle manager"),
}  # fmt: skip


def generate_launch_description() -> LaunchDescription:
    environment = node_environment(base={"MUJOCO_GL": "egl"})
    parameters = {
        parameter: ParameterValue(LaunchConfiguration(name), value_type=kind)
        for name, (parameter, kind, _, _) in ARGUMENTS.items()
    }
    return LaunchDescription(
        [
            *(DeclareLaunchArgument(name, default_value=name, description="topic") for name in TOPICS),
            *(
                DeclareLaunchArgument(name, default_value=value, description=text)
                for name, (_, _, value, text) in ARGUMENTS.items()
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
                remappings=[(name, LaunchConfiguration(name)) for name in TOPICS],
                parameters=[parameters],
            ),
        ]
    )
