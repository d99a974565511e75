"""What our launch files use of ROS's launch and launch_ros, which have no wheel: enough to resolve them as launch would.

The rules are launch_ros's own: parameters are typed by `value_type`, else read as YAML, and neither null nor a mapping
is a parameter; a substitution that names an argument nobody declared is an error.
"""

import importlib.util
import sys
import types
from dataclasses import dataclass, field
from pathlib import Path

import yaml


@dataclass
class Context:
    arguments: dict
    environment: dict = field(default_factory=dict)
    nodes: list = field(default_factory=list)


@dataclass
class StartedNode:
    executable: str
    parameters: dict
    remappings: list


def perform(value, context):
    return value if isinstance(value, str) else value.perform(context)


class LaunchConfiguration:
    def __init__(self, variable_name):
        self.name = variable_name

    def perform(self, context):
        return context.arguments[self.name]


class PythonExpression:
    def __init__(self, expression):
        self.expression = expression

    def perform(self, context):
        return str(eval("".join(perform(part, context) for part in self.expression)))  # what launch does, too


class ParameterValue:
    def __init__(self, value, *, value_type=None):
        self.value, self.value_type = value, value_type

    def evaluate(self, context):
        text = perform(self.value, context)
        if self.value_type is str:
            return text
        value = yaml.safe_load(text)
        if self.value_type is not None:
            assert isinstance(value, (int, float)) and not isinstance(value, bool) if self.value_type is float else (
                type(value) is self.value_type
            ), f"{text!r} is no {self.value_type}"  # fmt: skip
            return self.value_type(value)
        assert isinstance(value, (bool, int, float, str)), f"allowed parameter types do not include {value!r}"
        return value


class DeclareLaunchArgument:
    def __init__(self, name, *, default_value=None, description=None, choices=None):
        self.name, self.default = name, default_value

    def execute(self, context):
        if self.name not in context.arguments:
            assert self.default is not None, f"argument {self.name} is required"
            context.arguments[self.name] = perform(self.default, context)


class SetEnvironmentVariable:
    def __init__(self, name, value):
        self.name, self.value = name, value

    def execute(self, context):
        context.environment[self.name] = perform(self.value, context)


class IfCondition:
    def __init__(self, predicate):
        self.predicate = predicate

    def evaluate(self, context):
        return {"true": True, "1": True, "false": False, "0": False}[perform(self.predicate, context).lower()]


class PythonLaunchDescriptionSource:
    def __init__(self, path):
        self.path = path


class IncludeLaunchDescription:
    def __init__(self, source, *, launch_arguments=()):
        self.source, self.launch_arguments = source, list(launch_arguments)

    def execute(self, context):
        included = load(self.source.path)
        declared = {entity.name for entity in included.entities if isinstance(entity, DeclareLaunchArgument)}
        for name, value in self.launch_arguments:
            assert name in declared, f"{self.source.path} declares no argument {name}"
            context.arguments[name] = perform(value, context)
        included.execute(context)


class LaunchDescription:
    def __init__(self, entities):
        self.entities = entities

    def execute(self, context):
        for entity in self.entities:
            entity.execute(context)


class Node:
    def __init__(
        self, *, executable, package, name=None, output="log", parameters=(), remappings=(), condition=None
    ):
        assert package == "embodied_mem"
        self.executable, self.parameters, self.remappings = executable, parameters, remappings
        self.condition = condition

    def execute(self, context):
        if self.condition is not None and not self.condition.evaluate(context):
            return
        parameters = {}
        for given in self.parameters:
            for name, value in given.items():
                is_substitution = isinstance(value, (LaunchConfiguration, PythonExpression))
                typed = ParameterValue(value) if is_substitution else value
                parameters[name] = typed.evaluate(context) if isinstance(typed, ParameterValue) else typed
        remappings = [(perform(one, context), perform(other, context)) for one, other in self.remappings]
        context.nodes.append(StartedNode(self.executable, parameters, remappings))


MODULES = {
    "launch": [LaunchDescription],
    "launch.actions": [DeclareLaunchArgument, SetEnvironmentVariable, IncludeLaunchDescription],
    "launch.conditions": [IfCondition],
    "launch.substitutions": [LaunchConfiguration, PythonExpression],
    "launch.launch_description_sources": [PythonLaunchDescriptionSource],
    "launch_ros": [],
    "launch_ros.actions": [Node],
    "launch_ros.parameter_descriptions": [ParameterValue],
}


def load(path):
    """The description that the launch file at `path` generates."""
    spec = importlib.util.spec_from_file_location(Path(path).name.replace(".", "_"), path)
    module = importlib.util.module_from_spec(spec)
    replaced = {name: sys.modules.get(name) for name in MODULES}
    for name, members in MODULES.items():
        sys.modules[name] = types.ModuleType(name)
        for member in members:
            setattr(sys.modules[name], member.__name__, member)
    try:
        spec.loader.exec_module(module)
        return module.generate_launch_description()
    finally:
        for name, old in replaced.items():
            if old is None:
                del sys.modules[name]
            else:
                sys.modules[name] = old


def resolve(path, **arguments):
    """What `ros2 launch PATH name:=value ...` would start: nodes, and the environment that they get."""
    context = Context(arguments=dict(arguments))
    load(path).execute(context)
    return context
