"""Finds the attributes that an enhanced multi-frame file states per frame."""

from __future__ import annotations

from pydicom.dataset import Dataset

FUNCTIONAL_GROUPS = (
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
)
# Of the macros in PS3.3 C.7.6.16.2 those that take part in display and in scaling.
_DISPLAY_MACROS = {
    "PixelValueTransformationSequence": ("RescaleIntercept", "RescaleSlope"),
    "FrameVOILUTSequence": (
        "WindowCenter",
        "WindowWidth",
        "WindowCenterWidthExplanation",
        "VOILUTFunction",
    ),
    "PixelMeasuresSequence": ("PixelSpacing",),
}


def macro_of_frame(header: Dataset, macro: str, *, frame: int) -> Dataset | None:
    """Returns the item of a functional group macro for one frame, None without one.

    Args:
        header: The attributes, with the functional groups.
        macro: Keyword of the macro's sequence.
        frame: Number of the frame, from 1.
    """
    per_frame = header.get("PerFrameFunctionalGroupsSequence") or []
    shared = header.get("SharedFunctionalGroupsSequence") or []
    for groups in [*per_frame[frame - 1 : frame], *shared[:1]]:
        items = groups.get(macro)
        if items:
            item: Dataset = items[0]
            return item
    return None


def apply_display_macros(header: Dataset, *, frame: int) -> None:
    """Puts what holds for one frame where single-frame files have it.

    Args:
        header: The attributes; changed.
        frame: Number of the frame, from 1.
    """
    for macro, keywords in _DISPLAY_MACROS.items():
        item = macro_of_frame(header, macro, frame=frame)
        if item is not None:
            for keyword in keywords:
                if keyword in item:
                    header[keyword] = item[keyword]
