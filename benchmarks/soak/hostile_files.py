"""Makers of files that say what they like, and of folders with more in them than they should have."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from pathlib import Path

# Writes a file into an empty folder, given the folder of good samples; returns what is to be read.
Maker = Callable[[Path, Path], Path]

_VOXEL_BYTES = 2 * 8**3


def file_of(name: str, content: Callable[[], bytes]) -> Maker:
    def make(folder: Path, good: Path) -> Path:
        (folder / name).write_bytes(content())
        return folder / name

    return make


def nifti(size_ijk: tuple[int, ...] = (8, 8, 8), offset: float = 352.0, voxels: bytes = bytes(_VOXEL_BYTES)) -> bytes:
    """A NIfTI file of 16-bit voxels whose header says what it likes."""
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, 3, *size_ijk, 1, 1, 1, 1)
    struct.pack_into("<2h", header, 70, 4, 16)
    struct.pack_into("<8f", header, 76, 1, 1, 1, 1, 1, 1, 1, 1)
    struct.pack_into("<f", header, 108, offset)
    header[344:348] = b"n+1\0"
    return bytes(header) + voxels


def nrrd(sizes: str = "8 8 8", encoding: str = "raw", more: str = "", voxels: bytes = bytes(_VOXEL_BYTES)) -> bytes:
    lines = ["NRRD0004", "type: short", "dimension: 3", f"sizes: {sizes}", "endian: little", f"encoding: {encoding}"]
    lines += ["space: left-posterior-superior", "space directions: (1,0,0) (0,1,0) (0,0,1)", "space origin: (0,0,0)"]
    return ("\n".join([*lines, *filter(None, [more])]) + "\n\n").encode() + voxels


def mha(size: str = "8 8 8", data: str = "LOCAL", more: str = "", voxels: bytes = bytes(_VOXEL_BYTES)) -> bytes:
    lines = ["ObjectType = Image", "NDims = 3", "BinaryData = True", "BinaryDataByteOrderMSB = False", *more.split("|")]
    lines += [f"DimSize = {size}", "ElementSpacing = 1 1 1", "ElementType = MET_SHORT", f"ElementDataFile = {data}"]
    return ("\n".join(filter(None, lines)) + "\n").encode() + voxels


def tfm(kind: str, parameters: str, fixed: str) -> bytes:
    lines = ["#Insight Transform File V1.0", "#Transform 0", f"Transform: {kind}_double_3_3"]
    return "\n".join([*lines, f"Parameters: {parameters}", f"FixedParameters: {fixed}", ""]).encode()


def secret_beside(content: bytes, name: str) -> Maker:
    """A header that names a file outside of its own folder."""

    def make(folder: Path, good: Path) -> Path:
        (folder / "secret.raw").write_bytes(os.urandom(_VOXEL_BYTES))
        (folder / "inner").mkdir()
        path = folder / "inner" / name
        path.write_bytes(content.replace(b"{SECRET}", str(folder / "secret.raw").encode()))
        return path

    return make


def pipe_beside(content: bytes, name: str) -> Maker:
    """A header that names a pipe, from which nothing ever comes."""

    def make(folder: Path, good: Path) -> Path:
        os.mkfifo(folder / "pipe.raw")
        (folder / name).write_bytes(content)
        return folder / name

    return make


def series_with(add: Callable[[Path], object]) -> Maker:
    """A good DICOM series with something else in its folder."""

    def make(folder: Path, good: Path) -> Path:
        for file in (good / "dicom").iterdir():
            (folder / file.name).write_bytes(file.read_bytes())
        add(folder)
        return folder

    return make


def link_to(target: str, name: str = "ct.nii.gz") -> Maker:
    def make(folder: Path, good: Path) -> Path:
        (folder / name).symlink_to(target)
        return folder / name

    return make


def pipe(name: str) -> Maker:
    def make(folder: Path, good: Path) -> Path:
        os.mkfifo(folder / name)
        return folder / name

    return make


def named(name: bytes) -> Maker:
    """A good image with such a name."""

    def make(folder: Path, good: Path) -> Path:
        path = folder / os.fsdecode(name)
        path.write_bytes((good / "ct.nii.gz").read_bytes())
        return path

    return make


def manifest(*cells: str) -> Maker:
    rows = [f'"{cell}",a.nii.gz,b.nii.gz' for cell in cells]
    return file_of("cohort.csv", lambda: "\n".join(["case,fixed,moving", *rows, ""]).encode())
