"""`slicer.app.coreIOManager()`: what slicer.util's load and save functions call, over the modules' own C++ logics."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

_TYPES = {
    "SceneFile": (".mrml", ".mrb"),
    "SegmentationFile": (".seg.nrrd", ".seg.nhdr", ".seg.vtm"),
    "ModelFile": (".stl", ".obj", ".ply", ".vtk", ".vtp"),
    "MarkupsFile": (".mrk.json", ".fcsv"),
    "TableFile": (".csv", ".tsv"),
    "TransformFile": (".h5", ".tfm", ".mat"),
}


class IOManager:
    """Reads and writes by file name ending, with the types' names as Slicer has them."""

    def __init__(self, scene: Any) -> None:
        self._scene = scene

    def fileType(self, path: Any) -> str:
        name = str(path).lower()
        return next((t for t, endings in _TYPES.items() if name.endswith(endings)), "VolumeFile")

    def loadNodes(self, file_type: str, properties: dict[str, Any], nodes: Any, messages: Any = None) -> bool:
        """Loads a file; what it holds is added to the vtkCollection `nodes`."""
        path = str(properties["fileName"])
        if file_type == "SceneFile":
            return self._load_scene(path, bool(properties.get("clear", False)), messages)
        loader = getattr(self, f"_load_{file_type.removesuffix('File').lower()}", None)
        if loader is None:
            raise ValueError(f"The host reads no {file_type}")
        node = loader(path, properties, messages)
        if node is None:
            return False
        nodes.AddItem(node)
        return True

    def _load_scene(self, path: str, clear: bool, messages: Any) -> bool:
        if clear:
            self._scene.Clear(False)
        if path.lower().endswith(".mrb"):
            return bool(self._scene.ReadFromMRB(path, False, messages))
        self._scene.SetURL(path)
        self._scene.SetRootDirectory(os.path.dirname(path))
        return bool(self._scene.Import(messages))

    def _load_volume(self, path: str, properties: dict[str, Any], _messages: Any) -> Any:
        import slicer
        import vtk

        flags = {"labelmap": 1, "center": 2, "singleFile": 4, "discardOrientation": 16}
        options = sum(bit for name, bit in flags.items() if properties.get(name))
        options += 8 if properties.get("autoWindowLevel", True) else 0
        files = vtk.vtkStringArray()
        for name in properties.get("fileNames", []):
            files.InsertNextValue(str(name))
        if not os.path.isfile(path):
            return None
        logic = slicer.modules.volumes.logic()
        return logic.AddArchetypeVolume(path, self._name(path, properties), options, files)

    def _load_segmentation(self, path: str, properties: dict[str, Any], messages: Any) -> Any:
        import slicer

        if not os.path.isfile(path):
            return None
        logic = slicer.modules.segmentations.logic()
        name = self._name(path, properties)
        return logic.LoadSegmentationFromFile(path, properties.get("autoOpacities", True), name, None, messages)

    def _load_model(self, path: str, properties: dict[str, Any], messages: Any) -> Any:
        import slicer

        system = properties.get("coordinateSystem", slicer.vtkMRMLStorageNode.CoordinateSystemLPS)
        return slicer.modules.models.logic().AddModel(path, system, messages) if os.path.isfile(path) else None

    def _load_markups(self, path: str, properties: dict[str, Any], messages: Any) -> Any:
        import slicer

        node_id = slicer.modules.markups.logic().LoadMarkups(path, self._name(path, properties), messages)
        return self._scene.GetNodeByID(node_id) if node_id else None

    def _load_table(self, path: str, properties: dict[str, Any], _messages: Any) -> Any:
        import slicer

        logic = slicer.modules.tables.logic()
        return logic.AddTable(path, self._name(path, properties)) if os.path.isfile(path) else None

    def _load_transform(self, path: str, _properties: dict[str, Any], _messages: Any) -> Any:
        import slicer

        return slicer.modules.transforms.logic().AddTransform(path, self._scene) if os.path.isfile(path) else None

    @staticmethod
    def _name(path: str, properties: dict[str, Any]) -> str:
        return properties.get("name") or Path(path).name.split(".")[0]

    # ---- writing ----

    def fileWriterFileType(self, node: Any) -> str:
        return node.GetClassName()

    def fileWriterExtensions(self, node: Any) -> list[str]:
        types = self._storage(node).GetSupportedWriteFileTypes()
        return [types.GetValue(i) for i in range(types.GetNumberOfValues())]

    def extractKnownExtension(self, path: str, node: Any) -> str:
        import slicer

        helper = slicer.vtkDataFileFormatHelper
        known = [helper.GetFileExtensionFromFormatString(f) for f in self.fileWriterExtensions(node)]
        fitting = [e for e in known if str(path).lower().endswith(e.lower())]
        return max(fitting, key=len, default="")

    def saveNodes(self, file_type: str, properties: dict[str, Any], messages: Any = None) -> bool:
        path = str(properties["fileName"])
        if file_type == "SceneFile":
            return self._save_scene(path, messages)
        node = self._scene.GetNodeByID(properties["nodeID"])
        return self._write(node, path)

    def _save_scene(self, path: str, messages: Any) -> bool:
        if path.lower().endswith(".mrb"):
            return bool(self._scene.WriteToMRB(path, None, messages))
        if path.lower().endswith(".mrml"):
            self._scene.SetURL(path)
            self._scene.SetRootDirectory(os.path.dirname(path))
            return bool(self._scene.Commit(path, messages))
        os.makedirs(path, exist_ok=True)
        return bool(self._scene.SaveSceneToSlicerDataBundleDirectory(path, None, messages))

    def exportNodes(self, ids: Any, paths: Any, _properties: Any, _harden: bool, _messages: Any = None) -> bool:
        ids, paths = ([v] if isinstance(v, str) else v for v in (ids, paths))
        nodes = [self._scene.GetNodeByID(i) for i in ids]
        written = [self._write(node, str(path)) for node, path in zip(nodes, paths, strict=True)]
        return all(written)

    def _storage(self, node: Any) -> Any:
        if node.GetStorageNode() is None:
            node.AddDefaultStorageNode()
        return node.GetStorageNode()

    def _write(self, node: Any, path: str) -> bool:
        storage = self._storage(node)
        storage.SetFileName(path)
        return bool(storage.WriteData(node))
