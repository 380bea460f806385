"""`@parameterNodeWrapper`: a parameter node with typed attributes.

Follows Base/Python/slicer/parameterNodeWrapper/wrapper.py; what it has for panels, `connectGui`, is in
`parameter_node_gui`.
"""

from __future__ import annotations

import typing
import weakref
from typing import Annotated

import slicer
import vtk

from .parameter_annotations import Choice, Default, IsInstance, Maximum, Minimum, NotNone, Validator, WithinRange
from .parameter_serializers import serializer_for

__all__ = [
    "Choice",
    "Default",
    "IsInstance",
    "Maximum",
    "Minimum",
    "NotNone",
    "SlicerParameterNamePropertyName",
    "Validator",
    "WithinRange",
    "isParameterNodeWrapper",
    "parameterNodeWrapper",
    "splitAnnotations",
    "unannotatedType",
]

SlicerParameterNamePropertyName = "SlicerParameterName"


def splitAnnotations(possiblyAnnotatedType):
    """The type itself and a tuple of what is said about it."""
    type_, *annotations = typing.get_args(Annotated[possiblyAnnotatedType, None])
    return type_, tuple(annotations[:-1])


def unannotatedType(possiblyAnnotatedType):
    return splitAnnotations(possiblyAnnotatedType)[0]


def isParameterNodeWrapper(classOrObj) -> bool:
    return getattr(classOrObj, "_is_parameter_node_wrapper", False)


def parameterNodeWrapper(classtype=None):
    """Class decorator, with or without brackets."""
    return _wrapped if classtype is None else _wrapped(classtype)


class _ParameterInfo:
    """One annotated member of the class: how it is written, what it begins as."""

    def __init__(self, owner: type, name: str, annotated_type) -> None:
        self.basename, self.unalteredType = name, annotated_type
        type_, annotations = splitAnnotations(annotated_type)
        self.serializer = serializer_for(type_)
        self.validators = [item for item in annotations if isinstance(item, Validator)]
        defaults = [item for item in annotations if isinstance(item, Default)]
        if hasattr(owner, name):
            self.default = Default(getattr(owner, name))
        else:
            self.default = defaults[0] if defaults else Default(self.serializer.default)


class _Value:
    """A parameter's value, kept until the node changes behind its back."""

    def __init__(self, info: _ParameterInfo, node) -> None:
        self.info, self.node = info, node
        self._is_writing = False
        self._value = self._read()
        reference = weakref.ref(self)
        self._tag = node.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *event: reference()._on_modified())

    def __del__(self):
        self.node.RemoveObserver(self._tag)

    def _on_modified(self) -> None:
        if not self._is_writing:
            self._value = self._read()

    def _read(self):
        if not self.info.serializer.is_in(self.node, self.info.basename):
            self._write(self.info.default.value)
        return self.info.serializer.read(self.node, self.info.basename)

    def _write(self, value) -> None:
        for validator in [*self.info.serializer.validators, *self.info.validators]:
            validator.validate(value)
        self.info.serializer.write(self.node, self.info.basename, value)

    def read(self):
        return self._value

    def write(self, value) -> None:
        self._is_writing = True
        try:
            with slicer.util.NodeModify(self.node):
                self._write(value)
                self._value = self._read()
        finally:
            self._is_writing = False


class _Wrapper:
    """What the decorator adds to the class."""

    _is_parameter_node_wrapper = True

    def __init__(self, parameterNode, prefix: str | None = None) -> None:
        self.parameterNode = parameterNode
        self._values = {name: _Value(info, parameterNode) for name, info in self.allParameters.items()}

    def default(self, paramName: str) -> Default:
        return self._info(paramName).default

    @classmethod
    def dataType(cls, membername: str):
        return cls._info(membername).unalteredType

    @classmethod
    def _info(cls, name: str) -> _ParameterInfo:
        if name not in cls.allParameters:
            raise ValueError(f"Cannot find a param with the given name: {name}")
        return cls.allParameters[name]

    def getValue(self, name: str):
        self._info(name)
        return self._values[name].read()

    def setValue(self, name: str, value) -> None:
        self._info(name)
        self._values[name].write(value)

    def connectGui(self, gui) -> int:
        from .parameter_node_gui import connect_gui

        return connect_gui(self, gui)

    def connectParametersToGui(self, mapping: dict) -> int:
        from .parameter_node_gui import connect_parameters_to_gui

        return connect_parameters_to_gui(self, mapping)

    def disconnectGui(self, guiTag: int) -> None:
        from .parameter_node_gui import disconnect_gui

        disconnect_gui(self, guiTag)

    def StartModify(self):
        return self.parameterNode.StartModify()

    def EndModify(self, wasModified):
        return self.parameterNode.EndModify(wasModified)

    def AddObserver(self, event, callback, priority=0.0):
        return self.parameterNode.AddObserver(event, callback, priority)

    def RemoveObserver(self, tag) -> None:
        self.parameterNode.RemoveObserver(tag)

    def Modified(self) -> None:
        self.parameterNode.Modified()


def _wrapped(classtype: type) -> type:
    members = typing.get_type_hints(classtype, include_extras=True)
    parameters = {name: _ParameterInfo(classtype, name, type_) for name, type_ in members.items()}
    properties = {name: _property(name) for name in parameters}
    for name, member in vars(_Wrapper).items():
        if name in ("__module__", "__dict__", "__weakref__", "__doc__", "__qualname__"):
            continue
        if name != "__init__" and hasattr(classtype, name):
            raise ValueError(f"Cannot use reserved name '{name}' in a parameterNodeWrapper")
        setattr(classtype, name, member)
    for name, member in {**properties, "allParameters": parameters}.items():
        setattr(classtype, name, member)
    return classtype


def _property(name: str) -> property:
    return property(
        lambda self: self._values[name].read(),
        lambda self, value: self._values[name].write(value),
    )
