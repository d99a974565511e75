"""What colcon and ament need of this repository, as far as it can be read without them."""

import ast
import configparser
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import setuptools

REPOSITORY = Path(__file__).parents[2]


def package_xml(path="package.xml"):
    return ET.parse(REPOSITORY / path).getroot()


def setup_arguments(monkeypatch):
    """What setup.py hands to setuptools."""
    given = {}
    monkeypatch.setattr(setuptools, "setup", given.update)
    monkeypatch.chdir(REPOSITORY)
    source = (REPOSITORY / "setup.py").read_text(encoding="utf-8")
    exec(compile(source, "setup.py", "exec"), {"__file__": str(REPOSITORY / "setup.py")})
    return given


def test_package_xml_and_setup_py_name_the_same_package(monkeypatch):
    given, described = setup_arguments(monkeypatch), package_xml()
    for key, tag in (("name", "name"), ("version", "version"), ("license", "license"), ("description", "description")):  # fmt: skip
        assert given[key] == described.findtext(tag)
    maintainer = described.find("maintainer")
    assert re.fullmatch(r"[^@\s]+@[^@\s]+\.\w+", maintainer.get("email"))  # else colcon stops
    assert (given["maintainer"], given["maintainer_email"]) == (maintainer.text, maintainer.get("email"))
    assert described.findtext("export/build_type") == "ament_python"


def test_the_ament_index_finds_the_package_its_launch_files_and_its_executables(monkeypatch):
    given = setup_arguments(monkeypatch)
    installed = dict(given["data_files"])
    assert installed["share/ament_index/resource_index/packages"] == [f"resource/{given['name']}"]
    assert (REPOSITORY / "resource" / given["name"]).is_file()
    assert installed[f"share/{given['name']}"] == ["package.xml"]
    launch_files = sorted(f"launch/{path.name}" for path in (REPOSITORY / "launch").glob("*.launch.py"))
    assert installed[f"share/{given['name']}/launch"] == launch_files
    config = configparser.ConfigParser()
    config.read(REPOSITORY / "setup.cfg")
    scripts = f"$base/lib/{given['name']}"  # where `ros2 run` and launch look
    assert (config["develop"]["script_dir"], config["install"]["install_scripts"]) == (scripts, scripts)


def test_every_file_of_the_package_that_is_no_python_is_installed_with_it(monkeypatch):
    given = setup_arguments(monkeypatch)
    installed = set()
    for name, patterns in given["package_data"].items():
        for package in [name] if name else given["packages"]:
            assert package in given["packages"]
            folder = REPOSITORY / package.replace(".", "/")
            installed |= {path.resolve() for pattern in patterns for path in folder.glob(pattern)}
    there = {
        path for name in ("embodied_mem", "envs", "configs") for path in (REPOSITORY / name).rglob("*.*")
    }
    files = {path.resolve() for path in there if path.is_file() and path.suffix not in (".py", ".pyc")}
    assert files - installed == set()
    assert REPOSITORY / "configs" / "env" / "household.yaml" in installed


def test_package_xml_names_every_ros_package_that_is_imported():
    described = package_xml()
    named = {element.text for tag in ("depend", "exec_depend") for element in described.findall(tag)}
    imported = set()
    for folder in ("embodied_mem", "launch"):
        for path in (REPOSITORY / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                module = node.module if isinstance(node, ast.ImportFrom) else None
                names = (
                    [alias.name for alias in node.names] if isinstance(node, ast.Import) else [module or ""]
                )
                imported |= {name.partition(".")[0] for name in names}
    ros = {
        n for n in imported if n in ("rclpy", "launch", "launch_ros") or n.endswith(("_msgs", "_interfaces"))
    }
    assert ros - named == set()


def test_the_interfaces_package_lists_every_file_and_dependency_it_has():
    folder = REPOSITORY / "embodied_mem_interfaces"
    cmake = (folder / "CMakeLists.txt").read_text(encoding="utf-8")
    files = {
        str(path.relative_to(folder))
        for kind in ("msg", "srv", "action")
        for path in folder.glob(f"{kind}/*")
    }
    assert set(re.findall(r'"((?:msg|srv|action)/\w+\.\w+)"', cmake)) == files
    named = {element.text for element in package_xml("embodied_mem_interfaces/package.xml").findall("depend")}
    assert set(re.search(r"DEPENDENCIES ([\w ]+)", cmake)[1].split()) == named
    used = set(re.findall(r"^(\w+)/", "\n".join((folder / file).read_text() for file in files), re.MULTILINE))
    assert used <= named


def test_the_install_lines_for_colcon_name_everything_that_the_package_requires(monkeypatch):
    debian_names = {
        "opencv-python-headless": "python3-opencv",
        "pillow": "python3-pil",
        "pyyaml": "python3-yaml",
    }
    lines = (REPOSITORY / "docs/install.md").read_text(encoding="utf-8").splitlines()
    (apt,) = [line for line in lines if "apt-get install python3-click" in line]
    (pip,) = [line for line in lines if "pip install --break-system-packages" in line]
    named = {*apt.split(), *pip.split()}
    for requirement in setup_arguments(monkeypatch)["install_requires"]:
        name = re.split(r"[<>=]", requirement)[0]
        assert {name, f"python3-{name}", debian_names.get(name, "")} & named, name
