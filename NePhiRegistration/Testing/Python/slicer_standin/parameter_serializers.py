"""How values are written into a parameter node. Follows Base/Python/slicer/parameterNodeWrapper/serializers.py.

Slicer writes the same texts under the same names, so that a scene saved by one is read by the other. Lists, tuples,
dictionaries, packs and colours are left out: the module has no such parameter.
"""

from __future__ import annotations

import enum
import pathlib
import types
import typing

import slicer

from .parameter_annotations import IsInstance, NotNone, Validator

_PATHS = (pathlib.Path, pathlib.PosixPath, pathlib.WindowsPath, pathlib.PurePath)


class Serializer:
    """Writes a value of one type as text; `validators` refuse what is no such value."""

    def __init__(self, default, to_text, from_text, validators: list[Validator]):
        self.default, self.to_text, self.from_text, self.validators = default, to_text, from_text, validators

    def validate(self, value) -> None:
        for validator in self.validators:
            validator.validate(value)

    def is_in(self, node, name: str) -> bool:
        return bool(node.HasParameter(name))

    def write(self, node, name: str, value) -> None:
        node.SetParameter(name, self.to_text(value))

    def read(self, node, name: str):
        return self.from_text(node.GetParameter(name))

    def remove(self, node, name: str) -> None:
        node.UnsetParameter(name)


class NodeSerializer(Serializer):
    """A node is a reference; an empty parameter of the same name says that it was set, to None perhaps."""

    def __init__(self, node_class):
        super().__init__(None, None, None, [IsInstance(node_class)])

    def write(self, node, name: str, value) -> None:
        node.SetParameter(name, "")
        node.SetNodeReferenceID(name, value.GetID() if value is not None else None)

    def read(self, node, name: str):
        return node.GetNodeReference(name)

    def remove(self, node, name: str) -> None:
        node.UnsetParameter(name)
        node.RemoveNodeReferenceIDs(name)


class NoneSerializer(Serializer):
    def __init__(self):
        super().__init__(None, lambda value: "True", lambda text: None, [IsInstance(type(None))])


class UnionSerializer(Serializer):
    """Each type of the union has a name of its own, the parameter's with the type's number after a dot."""

    def __init__(self, members: list[Serializer]):
        is_optional = len(members) == 2 and isinstance(members[1], NoneSerializer)
        super().__init__(None if is_optional else members[0].default, None, None, [])
        self.members = members

    def _named(self, name: str):
        return [(member, f"{name}.{number}") for number, member in enumerate(self.members)]

    def is_in(self, node, name: str) -> bool:
        return any(member.is_in(node, own) for member, own in self._named(name))

    def write(self, node, name: str, value) -> None:
        member, own = self._fitting(name, value)
        self.remove(node, name)
        member.write(node, own, value)

    def _fitting(self, name: str, value):
        for member, own in self._named(name):
            if isinstance(member, NoneSerializer) != (value is None):
                continue
            try:
                member.validate(value)
            except (TypeError, ValueError):
                continue
            return member, own
        raise TypeError(f"Unable to write value '{value}' of type '{type(value)}'")

    def read(self, node, name: str):
        for member, own in self._named(name):
            if member.is_in(node, own):
                return member.read(node, own)
        raise KeyError(f"Unable to find value for name: {name}")

    def remove(self, node, name: str) -> None:
        for member, own in self._named(name):
            member.remove(node, own)


def serializer_for(type_) -> Serializer:
    """The serializer of a parameter's type; raises where Slicer, or this stand-in, has none."""
    if typing.get_origin(type_) in (typing.Union, types.UnionType):
        return UnionSerializer([serializer_for(member) for member in typing.get_args(type_)])
    if type_ is type(None):
        return NoneSerializer()
    if type_ is bool:
        return Serializer(False, str, lambda text: text == "True", [NotNone(), IsInstance(bool)])
    if type_ in (int, float):
        return Serializer(0, str, type_, [NotNone(), IsInstance((int, float) if type_ is float else int)])
    if type_ is str:
        return Serializer("", str, str, [NotNone(), IsInstance(str)])
    if type_ in _PATHS:
        return Serializer(type_(), str, type_, [NotNone(), IsInstance(type_)])
    if isinstance(type_, type) and issubclass(type_, enum.Enum):
        return Serializer(next(iter(type_)), lambda value: value.name, type_.__getitem__, [IsInstance(type_)])
    if isinstance(type_, type) and issubclass(type_, slicer.vtkMRMLNode):
        return NodeSerializer(type_)
    raise TypeError(f"Unable to create serializer for type: {type_}")
