"""Remarks and figures as the rich text of labels, in colours that read on light and on dark."""

from __future__ import annotations

from html import escape

GOOD, WARNING, BAD, QUIET = "#2e9e5b", "#d9822b", "#e04f4f", "#8a8f96"
_SEVERITIES = {"info": QUIET, "warning": WARNING, "error": BAD}
_ORDER = tuple(_SEVERITIES)[::-1]


def coloured(text: str, colour: str) -> str:
    return f'<span style="color:{colour}">{text}</span>'


def remarks_text(remarks) -> str:
    """What to know before a run, a line each, errors first.

    Args:
        remarks: of `registration_nodes.Remark`.
    """
    ordered = sorted(remarks, key=lambda remark: _ORDER.index(remark.severity))
    rows = (
        f'<tr><td style="padding-right:6px">{coloured("●", _SEVERITIES[remark.severity])}</td>'
        f"<td>{escape(remark.text)}</td></tr>"
        for remark in ordered
    )
    return f"<table>{''.join(rows)}</table>" if ordered else ""


def quality_text(figures: dict) -> str:
    """The quality card: a figure a row, with what else to know below it in small letters."""
    from NePhiCore.overview_text import header_cards

    rows = []
    for card in header_cards(figures):
        colour = {True: GOOD, False: BAD}.get(card.is_fine)
        value = f"<b>{escape(card.value)}</b>"
        rows.append(
            f'<tr><td style="padding-right:12px; padding-bottom:5px">{escape(card.name)}</td>'
            f'<td style="padding-bottom:5px">{coloured(value, colour) if colour else value}<br>'
            f"<small>{coloured(escape(card.note), QUIET)}</small></td></tr>"
        )
    return f"<table>{''.join(rows)}</table>{_warnings(figures)}"


def _warnings(figures: dict) -> str:
    from NePhiCore.warning_codes import messages_of

    found = messages_of(figures.get("warnings") or [])
    return "".join(f"<p>{coloured('●', WARNING)} {escape(message)}</p>" for message in found)
