"""Files made to hurt: bombs, announcements of huge sizes, ways out of the folder, code in a checkpoint."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from pathlib import Path

from .hostile_checkpoints import CHECKPOINTS
from .hostile_files import (
    Maker,
    file_of,
    link_to,
    manifest,
    mha,
    named,
    nifti,
    nrrd,
    pipe,
    pipe_beside,
    secret_beside,
    series_with,
    tfm,
)
from .mutations import gzip_of_zeros, zlib_of_zeros
from .samples import SAMPLES

_BOMB_MIB = 4096
_BSPLINE, _AFFINE = "BSplineTransform", "AffineTransform"

_IMAGES: dict[str, Maker] = {
    "NIfTI, gzip bomb behind the voxels": file_of(
        "ct.nii.gz", lambda: gzip.compress(nifti()) + gzip_of_zeros(_BOMB_MIB)
    ),
    "NIfTI, gzip bomb of announced size": file_of(
        "ct.nii.gz", lambda: gzip.compress(nifti((1280, 1280, 1280))) + gzip_of_zeros(_BOMB_MIB)
    ),
    "NIfTI, gzip bomb and no header": file_of("ct.nii.gz", lambda: gzip_of_zeros(_BOMB_MIB)),
    "NIfTI, voxels beyond the end": file_of("ct.nii.gz", lambda: gzip.compress(nifti(offset=1e9))),
    "NIfTI, voxels nowhere": file_of("ct.nii", lambda: nifti(offset=float("nan"))),
    "NIfTI, voxels before the beginning": file_of("ct.nii", lambda: nifti(offset=-1e9)),
    "NIfTI, huge size": file_of("ct.nii", lambda: nifti((32767, 32767, 32767))),
    "NIfTI, large size and no voxels": file_of("ct.nii", lambda: nifti((1200, 1200, 1200))),
    "NIfTI, negative size": file_of("ct.nii", lambda: nifti((-8, 8, 8))),
    "NIfTI as text, not an image": file_of("ct.nii", lambda: b"<nifti_image\n" + b"dim = '" + b"9" * 10_000),
    "NRRD, huge size": file_of("ct.nrrd", lambda: nrrd("2000000000 2000000000 2000000000")),
    "NRRD, size beyond 64 bits": file_of("ct.nrrd", lambda: nrrd("9" * 400 + " 8 8")),
    "NRRD, large size and no voxels": file_of("ct.nrrd", lambda: nrrd("1200 1200 1200")),
    "NRRD, gzip bomb behind a small image": file_of(
        "ct.nrrd", lambda: nrrd(encoding="gzip", voxels=gzip_of_zeros(256))
    ),
    "NRRD, gzip bomb of announced size": file_of(
        "ct.nrrd", lambda: nrrd("1200 1200 1200", "gzip", voxels=gzip_of_zeros(3300))
    ),
    "NRRD, a line of a hundred megabytes": file_of("ct.nrrd", lambda: nrrd(more="# " + "x" * 10**8)),
    "NRRD, skips beyond the end": file_of("ct.nrrd", lambda: nrrd(more="byte skip: 99999999999\nline skip: 999999999")),
    "NRRD, data elsewhere": secret_beside(nrrd(more="data file: {SECRET}", voxels=b""), "ct.nrrd"),
    "NRRD, data above its folder": secret_beside(nrrd(more="DataFile: ../secret.raw", voxels=b""), "ct.nrrd"),
    "NRRD header, data above its folder": secret_beside(nrrd(more="data file: ../secret.raw", voxels=b""), "ct.nhdr"),
    "NRRD header, data in a list": secret_beside(
        nrrd(more="data file: LIST\n../secret.raw", voxels=b"")[:-2], "ct.nhdr"
    ),
    "NRRD header, data in a pattern": secret_beside(
        nrrd(more="data file: ../secre%c.raw 116 116 1", voxels=b""), "c.nhdr"
    ),
    "NRRD, data from a pipe": pipe_beside(nrrd(more="data file: pipe.raw", voxels=b""), "ct.nhdr"),
    "NRRD, data from an endless device": pipe_beside(nrrd(more="data file: /dev/zero", voxels=b""), "ct.nhdr"),
    "MetaImage, huge size": file_of("ct.mha", lambda: mha("2000000000 2000000000 2000000000")),
    "MetaImage, large size and no voxels": file_of("ct.mha", lambda: mha("1200 1200 1200")),
    "MetaImage, a thousand dimensions": file_of("ct.mha", lambda: mha(more="NDims = 1000")),
    "MetaImage, many channels": file_of("ct.mha", lambda: mha(more="ElementNumberOfChannels = 2000000000")),
    "MetaImage, zlib bomb": file_of("ct.mha", lambda: mha(more="CompressedData = True", voxels=zlib_of_zeros(512))),
    "MetaImage, zlib bomb of announced size": file_of(
        "ct.mha", lambda: mha("800 800 800", more="CompressedData = True", voxels=zlib_of_zeros(1024))
    ),
    "MetaImage, header of the wrong size": file_of("ct.mha", lambda: mha(more="HeaderSize = 999999999")),
    "MetaImage, negative compressed size": file_of(
        "ct.mha", lambda: mha(more="CompressedData = True|CompressedDataSize = -5")
    ),
    "MetaImage, data elsewhere": secret_beside(mha(data="{SECRET}", voxels=b""), "ct.mha"),
    "MetaImage, data above its folder": secret_beside(mha(data="../secret.raw", voxels=b""), "ct.mhd"),
    "MetaImage, data in a list": secret_beside(mha(data="LIST", voxels=b"../secret.raw\n"), "ct.mhd"),
    "MetaImage, data in a pattern": secret_beside(mha(data="../secre%c.raw 116 116 1", voxels=b""), "ct.mhd"),
    "MetaImage, data from a pipe": pipe_beside(mha(data="pipe.raw", voxels=b""), "ct.mhd"),
    "MetaImage, data from an endless device": pipe_beside(mha(data="/dev/zero", voxels=b""), "ct.mhd"),
    "MetaImage, data from the keyboard": pipe_beside(mha(data="/dev/stdin", voxels=b""), "ct.mhd"),
    "a link to itself": link_to("ct.nii.gz"),
    "a link to an endless device": link_to("/dev/zero"),
    "a link to a folder above": link_to(".."),
    "a pipe": pipe("ct.nii.gz"),
    "a name with control characters": named(b"ct\x1b[2J\x07\nnephi: done\r.nii.gz"),
    "a name that is no text": named(b"ct\xff\xfe.nii.gz"),
    "a name that turns text around": named("ct‮zg.iin.nii.gz".encode()),
    "DICOM, a pipe among the slices": series_with(lambda folder: os.mkfifo(folder / "0009.dcm")),
    "DICOM, a device among the slices": series_with(lambda folder: (folder / "0009.dcm").symlink_to("/dev/zero")),
    "DICOM, a link to itself among the slices": series_with(
        lambda folder: (folder / "0009.dcm").symlink_to("0009.dcm")
    ),
    "DICOM, a slice with a name that is no text": series_with(
        lambda folder: (folder / "0002.dcm").rename(folder / os.fsdecode(b"\xff.dcm"))
    ),
    "DICOM, an element of two gigabytes": series_with(
        lambda folder: (folder / "0009.dcm").write_bytes(bytes(128) + b"DICM\x08\x00\x05\x00OB\x00\x00\xff\xff\xff\x7f")
    ),
}
_STARTS: dict[str, Maker] = {
    "transform, B-spline of a huge grid": file_of(
        "t.tfm", lambda: tfm(_BSPLINE, "0 " * 10, "1000000 1000000 1000000 0 0 0 1 1 1 1 0 0 0 1 0 0 0 1")
    ),
    "transform, field of a huge grid": file_of(
        "t.tfm", lambda: tfm("DisplacementFieldTransform", "0", "99999 99999 99999 0 0 0 1 1 1 1 0 0 0 1 0 0 0 1")
    ),
    "transform, numbers without end": file_of("t.tfm", lambda: tfm(_AFFINE, "1 " * 5_000_000, "0 0 0")),
    "transform, parts within parts": file_of("t.tfm", lambda: tfm("CompositeTransform", "", "") * 20_000),
    "transform, text in a .mat": file_of("t.mat", lambda: b"\x00\x00\x00\x7f" * 1000),
    "transform, a pipe": pipe("t.h5"),
    "transform, a link to an endless device": link_to("/dev/zero", "t.h5"),
    "transform, a name that is no text": file_of(os.fsdecode(b"\xff.tfm"), lambda: tfm(_AFFINE, "1 0 0", "0 0 0")),
}
_POINTS: dict[str, Maker] = {
    "landmarks, brackets without end": file_of("p.mrk.json", lambda: b"[" * 10**6),
    "landmarks, braces without end": file_of("p.mrk.json", lambda: b'{"a":' * 10**6),
    "landmarks, a number of ten million digits": file_of("p.mrk.json", lambda: b"9" * 10**7),
    "landmarks, words for a position": file_of(
        "p.mrk.json",
        lambda: b'{"markups":[{"controlPoints":[{"position":"' + b"x" * 10**7 + b'"}]}]}',
    ),
    "landmarks, units without end": file_of(
        "p.mrk.json",
        lambda: b'{"markups":[{"controlPoints":[],"coordinateUnits":"' + b"x" * 10**7 + b'"}]}',
    ),
    "landmarks, a frame without end": file_of(
        "p.mrk.json",
        lambda: b'{"markups":[{"controlPoints":[],"coordinateSystem":"' + b"x" * 10**7 + b'"}]}',
    ),
    "landmarks, a million columns": file_of("p.csv", lambda: b"x," * 10**6),
    "landmarks, a cell of ten megabytes": file_of("p.csv", lambda: b"x,y,z\n" + b"1" * 10**7 + b",2,3\n"),
    "landmarks, one open quotation mark": file_of("p.csv", lambda: b'x,y,z\n"' + b"1,2,3\n" * 10**6),
    "landmarks, a frame of the .fcsv without end": file_of(
        "p.fcsv", lambda: b"# CoordinateSystem = " + b"x" * 10**7 + b"\n1,2,3,4\n"
    ),
    "landmarks, a pipe": pipe("p.csv"),
    "landmarks, a link to an endless device": link_to("/dev/zero", "p.csv"),
}
_TABLES: dict[str, Maker] = {
    "manifest, ways out of the folder": manifest("../up", "..", ".", "/etc/cron.d/x", "a/b", "C:\\x", "~root", "P1"),
    "manifest, names that are no names": manifest("a\x1b[2J", "a\x07", "con", "x" * 5000, "‮evil", "=1+1", "a\tb", "P1"),
    "manifest, the same case in other words": manifest("Ａ", "A", "a", "a ", "ﬁ", "fi", "P1"),
    "manifest, a million columns": file_of("m.csv", lambda: b"case,fixed,moving" + b"," * 10**6 + b"\nP1,a,b\n"),
    "manifest, a cell of ten megabytes": file_of("m.csv", lambda: b"case,fixed,moving\nP1," + b"x" * 10**7 + b",b\n"),
    "manifest, a hundred thousand rows": file_of(
        "m.csv", lambda: b"case,fixed,moving\n" + b"".join(b"P%d,a,b\n" % n for n in range(10**5))
    ),
    "manifest, a pipe": pipe("m.csv"),
}


def _all() -> dict[str, tuple[Maker, Callable[[Path], object]]]:
    readers = {"NIfTI image": _IMAGES, "initial transform .h5": _STARTS, "landmarks .csv": _POINTS, "manifest": _TABLES}
    readers["checkpoint"] = {name: file_of("model.pt", make) for name, make in CHECKPOINTS.items()}
    return {name: (make, SAMPLES[kind].read) for kind, makers in readers.items() for name, make in makers.items()}


# Name -> how it is made and how it is read.
HOSTILE = _all()
