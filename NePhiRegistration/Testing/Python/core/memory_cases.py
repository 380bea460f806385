"""Memory that runs out, as ITK, C++ and Python say it."""

from collections.abc import Callable
from typing import NoReturn

OUT_OF_MEMORY = [
    RuntimeError("Exception thrown in SimpleITK ImageFileReader_Execute: std::bad_alloc"),
    RuntimeError("itkImportImageContainer.hxx:179:\nFailed to allocate memory for image."),
    MemoryError("Unable to allocate 30.5 MiB for an array with shape (200, 200, 200) and data type float32"),
]


def raises(error: Exception) -> Callable[..., NoReturn]:
    """A function that does nothing but raise."""

    def fail(*arguments, **more):
        raise error

    return fail
