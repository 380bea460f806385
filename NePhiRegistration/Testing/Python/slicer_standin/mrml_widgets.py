"""The qMRML widgets that the panel uses: they show nodes of a real scene.

Follows Libs/MRML/Widgets/qMRMLWidget.cxx and Libs/MRML/Widgets/qMRMLNodeComboBox.cxx.
"""

from __future__ import annotations

from PySide6 import QtCore, QtWidgets


class qMRMLWidget(QtWidgets.QWidget):
    """A widget that knows a scene and tells its children."""

    mrmlSceneChanged = QtCore.Signal(object)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._scene = None

    def mrmlScene(self):
        return self._scene

    def setMRMLScene(self, scene) -> None:
        if scene is not self._scene:
            self._scene = scene
            self.mrmlSceneChanged.emit(scene)


class qMRMLNodeComboBox(QtWidgets.QWidget):
    """Chooses a node of the scene; its list follows the scene.

    Disabled until it has a scene. The current node stays when others come and go; once it has gone, the last one takes
    its place. Entries below the nodes create, rename or delete one, as enabled.
    """

    currentNodeChanged = QtCore.Signal(object)
    currentNodeIDChanged = QtCore.Signal(str)
    nodeAddedByUserAction = QtCore.Signal(object)
    _ACTION = "action:"  # before what an entry does; the others carry the ID of a node, or nothing

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._scene = None
        self._observed: list[int] = []
        self._node_id = ""
        self._types: list[str] = []
        self._filling = False
        self._options = {
            "noneEnabled": False,
            "addEnabled": True,
            "removeEnabled": True,
            "editEnabled": False,
            "renameEnabled": False,
            "showHidden": False,
            "showChildNodeTypes": True,
            "selectNodeUponCreation": True,
            "noneDisplay": "None",
            "baseName": "",
            "hideChildNodeTypes": [],
        }
        self._combo = QtWidgets.QComboBox()
        self._combo.setSizeAdjustPolicy(QtWidgets.QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self._combo.setMinimumContentsLength(8)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._combo)
        self._combo.activated.connect(self._chosen)
        self.setSizePolicy(QtWidgets.QSizePolicy.Policy.Preferred, QtWidgets.QSizePolicy.Policy.Fixed)
        self.setEnabled(False)

    def mrmlScene(self):
        return self._scene

    def setMRMLScene(self, scene) -> None:
        for tag in self._observed:
            self._scene.RemoveObserver(tag)
        self._scene, self._observed = scene, []
        if scene is not None:
            for event in (scene.NodeAddedEvent, scene.NodeRemovedEvent, scene.EndBatchProcessEvent):
                self._observed.append(scene.AddObserver(event, self._scene_changed))
        self.setEnabled(scene is not None)
        self._fill()

    def _scene_changed(self, caller, event: str) -> None:
        if not self._scene.IsBatchProcessing():
            self._fill()

    def currentNode(self):
        return self._scene.GetNodeByID(self._node_id) if self._scene is not None and self._node_id else None

    def setCurrentNode(self, node) -> None:
        """Select a node, by itself or by its ID; None and nodes of other types select none."""
        node_id = node if isinstance(node, str) else node.GetID() if node is not None else ""
        self.setCurrentNodeID(node_id)

    def setCurrentNodeID(self, node_id: str) -> None:
        known = {node.GetID() for node in self.nodes()}
        self._select(node_id if node_id in known else "")

    def _select(self, node_id: str) -> None:
        if not node_id and not self._options["noneEnabled"] and self.nodes():
            node_id = self.nodes()[0].GetID() if self._node_id == "" else self._node_id
        changed = node_id != self._node_id
        self._node_id = node_id
        index = self._combo.findData(node_id)
        self._combo.setCurrentIndex(index)
        if changed:
            self.currentNodeChanged.emit(self.currentNode())
            self.currentNodeIDChanged.emit(node_id)

    def nodes(self) -> list:
        """The nodes in the list, in the order of the scene."""
        if self._scene is None:
            return []
        all_nodes = (self._scene.GetNthNode(index) for index in range(self._scene.GetNumberOfNodes()))
        return [node for node in all_nodes if self._is_shown(node)]

    def nodeCount(self) -> int:
        return len(self.nodes())

    def _is_shown(self, node) -> bool:
        if node.GetHideFromEditors() and not self._options["showHidden"]:
            return False
        if node.GetClassName() in self._types:
            return True
        is_child = self._options["showChildNodeTypes"] and any(node.IsA(each) for each in self._types)
        return is_child and not any(node.IsA(each) for each in self._options["hideChildNodeTypes"])

    def _fill(self) -> None:
        """List again, keeping the current node where it is still there."""
        nodes = self.nodes()
        self._combo.blockSignals(True)
        self._combo.clear()
        if self._options["noneEnabled"]:
            self._combo.addItem(self._options["noneDisplay"], "")
        for node in nodes:
            self._combo.addItem(node.GetName(), node.GetID())
        for option, word in (("renameEnabled", "Rename"), ("addEnabled", "Create new"), ("removeEnabled", "Delete")):
            if self._options[option]:
                self._combo.addItem(f"{word} {self._type_label()}", self._ACTION + option)
        self._combo.blockSignals(False)
        known = [node.GetID() for node in nodes]
        has_gone = self._node_id not in known
        # As Slicer does when the current node is removed: the last one that is left takes its place.
        self._select((known[-1] if known and self._node_id else "") if has_gone else self._node_id)

    def _type_label(self) -> str:
        return self._types[0].removeprefix("vtkMRML").removesuffix("Node") if self._types else "node"

    def _chosen(self, index: int) -> None:
        value = self._combo.itemData(index)
        if not value.startswith(self._ACTION):
            self._select(value)
        elif value == self._ACTION + "addEnabled":
            self.addNode()
        elif value == self._ACTION + "removeEnabled" and self.currentNode() is not None:
            self._scene.RemoveNode(self.currentNode())
        else:
            self._combo.setCurrentIndex(self._combo.findData(self._node_id))

    def addNode(self, node_type: str = ""):
        """Create a node of a type, by default the first, as the entry "Create new" does."""
        node_type = node_type or self._types[0]
        name = self._scene.GenerateUniqueName(self._options["baseName"] or self._type_label())
        node = self._scene.AddNewNodeByClass(node_type, name)
        if self._options["selectNodeUponCreation"]:
            self.setCurrentNode(node)
        self.nodeAddedByUserAction.emit(node)
        return node

    def _set_types(self, types: list[str]) -> None:
        self._types = list(types)
        self._fill()

    def _set_option(self, name: str, value) -> None:
        self._options[name] = value
        self._fill()

    def _option(name: str, kind: type):
        return QtCore.Property(
            kind, lambda self: self._options[name], lambda self, value: self._set_option(name, value)
        )

    nodeTypes = QtCore.Property("QStringList", lambda self: self._types, _set_types)
    hideChildNodeTypes = _option("hideChildNodeTypes", "QStringList")
    currentNodeID = QtCore.Property(str, lambda self: self._node_id, setCurrentNodeID)
    noneEnabled = _option("noneEnabled", bool)
    addEnabled = _option("addEnabled", bool)
    removeEnabled = _option("removeEnabled", bool)
    editEnabled = _option("editEnabled", bool)
    renameEnabled = _option("renameEnabled", bool)
    showHidden = _option("showHidden", bool)
    showChildNodeTypes = _option("showChildNodeTypes", bool)
    selectNodeUponCreation = _option("selectNodeUponCreation", bool)
    noneDisplay = _option("noneDisplay", str)
    baseName = _option("baseName", str)


WIDGETS = (qMRMLWidget, qMRMLNodeComboBox)


def register(slicer) -> None:
    """Add the widgets to the package `slicer`, where Slicer has them.

    Args:
        slicer: the package.
    """
    for widget_class in WIDGETS:
        setattr(slicer, widget_class.__name__, widget_class)
