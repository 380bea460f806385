"""Where modules list their sample data. Follows Modules/Scripted/SampleData/SampleData.py."""

from __future__ import annotations

import slicer


class SampleDataSource:
    """One entry; lists are as long as each other, one item a file."""

    def __init__(
        self,
        sampleName=None,
        sampleDescription=None,
        uris=None,
        fileNames=None,
        nodeNames=None,
        checksums=None,
        loadFiles=None,
        customDownloader=None,
        thumbnailFileName=None,
        loadFileType=None,
        loadFileProperties=None,
    ):
        as_list = [[value] if value is None or isinstance(value, str) else value for value in (uris, fileNames)]
        self.sampleName, self.sampleDescription = sampleName, sampleDescription or sampleName
        self.uris, self.fileNames = as_list
        count = len(self.uris)
        self.nodeNames, self.checksums = nodeNames or [None] * count, checksums or [None] * count
        self.loadFiles, self.customDownloader = loadFiles, customDownloader
        self.thumbnailFileName = thumbnailFileName
        self.loadFileTypes, self.loadFileProperties = loadFileType, loadFileProperties or {}


class SampleDataLogic:
    """Looks entries up and loads them."""

    @staticmethod
    def registerCustomSampleDataSource(category="Custom", **source) -> None:
        if "sampleDescription" in source:  # an argument of the source, not of this function
            raise TypeError("registerCustomSampleDataSource() got an unexpected keyword argument 'sampleDescription'")
        _sources().setdefault(category, []).append(SampleDataSource(**source))

    def sourceForSampleName(self, sampleName):
        for entries in _sources().values():
            for source in entries:
                if source.sampleName == sampleName:
                    return source
        return None

    def downloadSample(self, sampleName):
        """The nodes of an entry that makes them itself; the stand-in downloads nothing."""
        source = self.sourceForSampleName(sampleName)
        if source is None or source.customDownloader is None:
            raise RuntimeError(f"Download of {sampleName} is not possible here")
        return source.customDownloader(source)


def _sources() -> dict[str, list[SampleDataSource]]:
    if not hasattr(slicer.modules, "sampleDataSources"):
        slicer.modules.sampleDataSources = {}
    return slicer.modules.sampleDataSources
