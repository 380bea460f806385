"""How a parameter node is tied to a panel: widgets that carry the property SlicerParameterName.

Follows Base/Python/slicer/parameterNodeWrapper/wrapper.py (_connectParametersToGui) and guiConnectors.py: the same
pairs of widget and type, decided by the widget's exact class, and the same limits and entries taken from annotations.
"""

from __future__ import annotations

import enum
import typing

import ctk
import qt
import slicer
import vtk

PROPERTY = "SlicerParameterName"


class Connector:
    """One widget and one parameter.

    Args:
        widget: the widget.
        changed: name of its signal that says that the user changed it.
        read: the value that it shows.
        write: shows a value.
    """

    def __init__(self, widget, changed: str, read, write) -> None:
        self.widget, self.read, self.write = widget, read, write
        self._signal = getattr(widget, changed)
        self._callback = None

    def on_changed(self, callback) -> None:
        self._callback = callback
        if callback is None:
            self._signal.disconnect(self._changed)
        else:
            self._signal.connect(self._changed)

    def _changed(self, *values) -> None:
        if self._callback is not None:
            self._callback()


def connect_gui(wrapper, gui) -> int:
    """Connect all widgets of a panel that name a parameter; returns what `disconnect_gui` wants."""
    widgets = gui.findChildren(qt.QWidget) if hasattr(gui, "findChildren") else vars(gui).values()
    named = {widget.property(PROPERTY): widget for widget in widgets}
    return connect_parameters_to_gui(wrapper, {name: widget for name, widget in named.items() if name})


def connect_parameters_to_gui(wrapper, mapping: dict) -> int:
    """Connect parameters to widgets: both follow each other from now on."""
    state = vars(wrapper).setdefault("_gui", {"tag": 0, "connectors": {}, "observers": {}, "updating": False})
    tag = state["tag"]
    state["tag"] += 1
    connectors = {name: make_connector(widget, wrapper.dataType(name)) for name, widget in mapping.items()}
    state["connectors"][tag] = connectors
    for name, connector in connectors.items():
        connector.write(wrapper.getValue(name))
        connector.on_changed(_to_parameter(wrapper, name, connector))
    observer = wrapper.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda caller, event: _to_gui(wrapper))
    state["observers"][tag] = observer
    return tag


def disconnect_gui(wrapper, tag: int) -> None:
    state = vars(wrapper).get("_gui", {"connectors": {}, "observers": {}})
    for connector in state["connectors"].pop(tag, {}).values():
        connector.on_changed(None)
    if tag in state["observers"]:
        wrapper.RemoveObserver(state["observers"].pop(tag))


def _to_parameter(wrapper, name: str, connector: Connector):
    def callback() -> None:
        with slicer.util.NodeModify(wrapper):
            if not wrapper._gui["updating"]:
                wrapper.setValue(name, connector.read())

    return callback


def _to_gui(wrapper) -> None:
    state = wrapper._gui
    if state["updating"]:
        return
    state["updating"] = True
    try:
        with slicer.util.NodeModify(wrapper):
            for connectors in state["connectors"].values():
                for name, connector in connectors.items():
                    connector.write(wrapper.getValue(name))
    finally:
        state["updating"] = False


def make_connector(widget, annotated_type) -> Connector:
    """The connector of a widget and a possibly annotated type.

    Raises:
        RuntimeError: Slicer has no connector for the two.
    """
    type_, annotations = _split(annotated_type)
    kind = type(widget)
    if kind is qt.QCheckBox and type_ is bool:
        return _attribute(widget, "stateChanged", "checked")
    if kind is qt.QPushButton and type_ is bool:
        return _attribute(widget, "toggled", "checked")
    if kind is qt.QSpinBox and type_ is int:
        _limit(widget, annotations, (-(2**31), 2**31 - 1))
        return _attribute(widget, "valueChanged", "value")
    if kind in (qt.QDoubleSpinBox, ctk.ctkSliderWidget) and type_ is float:
        return _number(widget, annotations)
    if kind is qt.QComboBox and (isinstance(type_, type) and issubclass(type_, enum.Enum)):
        label = getattr(type_, "label", lambda member: member.name)
        return _entries(widget, list(type_), [label(member) for member in type_])
    if kind is qt.QComboBox and type_ in (int, float, str, bool) and "Choice" in annotations:
        choices = list(annotations["Choice"].choices)
        return _entries(widget, choices, [str(choice) for choice in choices])
    if kind is qt.QLineEdit and type_ is str:
        return Connector(widget, "textChanged", lambda: widget.text, lambda value: _write_text(widget, value))
    if kind is slicer.qMRMLNodeComboBox and _node_types(type_):
        widget.nodeTypes = _node_types(type_)
        return Connector(widget, "currentNodeChanged", widget.currentNode, widget.setCurrentNode)
    raise RuntimeError(f"Unable to create GUI connector from datatype '{annotated_type}' to widget type '{kind}'.")


def _split(annotated_type) -> tuple[object, dict[str, object]]:
    annotations = getattr(annotated_type, "__metadata__", ())
    type_ = annotated_type.__origin__ if annotations else annotated_type
    return type_, {type(each).__name__: each for each in annotations}


def _attribute(widget, changed: str, name: str) -> Connector:
    return Connector(widget, changed, lambda: getattr(widget, name), lambda value: setattr(widget, name, value))


def _number(widget, annotations: dict) -> Connector:
    if "Decimals" in annotations:
        widget.decimals = annotations["Decimals"].value
    if "SingleStep" in annotations:
        widget.singleStep = annotations["SingleStep"].value
    if isinstance(widget, ctk.ctkSliderWidget) and not {"WithinRange"} & set(annotations):
        raise RuntimeError("Cannot have a connection to ctkSliderWidget where the float types is unbounded.")
    _limit(widget, annotations, (float("-inf"), float("inf")))
    return _attribute(widget, "valueChanged", "value")


def _limit(widget, annotations: dict, widest: tuple) -> None:
    within = annotations.get("WithinRange")
    low = within or annotations.get("Minimum")
    high = within or annotations.get("Maximum")
    widget.minimum = low.minimum if low else widest[0]
    widget.maximum = high.maximum if high else widest[1]


def _entries(widget, values: list, labels: list[str]) -> Connector:
    """Fill a combo box with one entry a value, whatever the .ui file says."""
    widget.clear()
    for label in labels:
        widget.addItem(label)

    def write(value) -> None:
        widget.currentIndex = values.index(value)

    return Connector(widget, "currentIndexChanged", lambda: values[widget.currentIndex], write)


def _write_text(widget, value: str) -> None:
    if value != widget.text:
        widget.text = value


def _node_types(type_) -> list[str]:
    """Class names of the nodes that a type allows: a node class, or a union of node classes (and None)."""
    members = typing.get_args(type_) or (type_,)
    members = [member for member in members if member is not type(None)]
    is_node = all(isinstance(member, type) and issubclass(member, slicer.vtkMRMLNode) for member in members)
    return [member.__name__ for member in members] if is_node else []
