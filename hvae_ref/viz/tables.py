"""Tables of results: mean ± standard deviation over seeds, as HTML in a notebook and as text in a terminal."""

from __future__ import annotations

import html
import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

UNBROKEN = 16
"""Texts of up to so many characters stay on one line."""

Cell = str | float | int | None | Sequence[float] | np.ndarray | np.generic


@dataclass(frozen=True)
class ResultsTable:
    """Text cells ready to be shown.

    Attributes:
        header: one text a column.
        cells: rows of texts.
        best: (row, column) of the cells printed bold.
        numeric: whether a column holds numbers, which are set flush right.
        caption: text above the table.
    """

    header: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]
    best: frozenset[tuple[int, int]]
    numeric: tuple[bool, ...]
    caption: str = ""

    def __repr__(self) -> str:
        """Aligned columns; the best cell of a column carries a star."""
        starred = {column for _, column in self.best}  # a space in place of the star keeps the digits aligned
        rows = [
            [
                text + ("*" if (row, column) in self.best else " " * (column in starred))
                for column, text in enumerate(line)
            ]
            for row, line in enumerate(self.cells)
        ]
        widths = [max(map(len, column)) for column in zip(self.header, *rows, strict=True)]

        def line(texts: Sequence[str]) -> str:
            pairs = zip(texts, widths, self.numeric, strict=True)
            return "  ".join(text.rjust(width) if right else text.ljust(width) for text, width, right in pairs)

        rule = "  ".join("-" * width for width in widths)
        parts = [self.caption] if self.caption else []
        return "\n".join(text.rstrip() for text in [*parts, line(self.header), rule, *map(line, rows)])

    def _repr_html_(self) -> str:
        # Colours are inherited, so the table reads on light and on dark pages.
        def cell(tag: str, text: str, column: int, bold: bool = False) -> str:
            """One cell of the table, as HTML."""
            align = "right" if self.numeric[column] else "left"
            weight = "font-weight:bold;" if bold else ""
            # A mean stays on one line with its spread; a narrow page scrolls instead. Headings break between words.
            short = tag == "td" and (self.numeric[column] or len(text) <= UNBROKEN)
            wrap = "white-space:nowrap;" if short else ""
            style = f"text-align:{align};padding:0.25em 0.55em;background:transparent;color:inherit;{weight}{wrap}"
            return f'<{tag} style="{style}font-variant-numeric:tabular-nums">{html.escape(text)}</{tag}>'

        row_tag = '<tr style="background:transparent">'
        head = "".join(cell("th", text, column) for column, text in enumerate(self.header))
        body = "".join(
            row_tag
            + "".join(cell("td", text, column, (row, column) in self.best) for column, text in enumerate(line))
            + "</tr>"
            for row, line in enumerate(self.cells)
        )
        caption = f'<caption style="text-align:left;color:inherit">{html.escape(self.caption)}</caption>'
        return (
            '<div style="overflow-x:auto;background:transparent;color:inherit">'
            '<table class="hvae-results" style="border-collapse:collapse;color:inherit">'
            f"{caption if self.caption else ''}"
            f'<thead style="border-bottom:1px solid currentColor">{row_tag}{head}</tr></thead>'
            f"<tbody>{body}</tbody></table></div>"
        )


def _value(cell: Cell) -> float | None:
    if cell is None or isinstance(cell, str):
        return None
    return float(np.mean(np.asarray(cell, dtype=float)))


def _text(cell: Cell, digits: int) -> str:
    if cell is None:
        return "–"
    if isinstance(cell, str):
        return cell
    if isinstance(cell, numbers.Integral):
        return str(int(cell))
    values = np.atleast_1d(np.asarray(cell, dtype=float))
    mean = f"{round(float(values.mean()), digits) + 0.0:.{digits}f}".replace("-", "−")
    return f"{mean} ± {values.std(ddof=1):.{digits}f}" if len(values) > 1 else mean


def results_table(
    rows: Sequence[Mapping[str, Cell]],
    columns: Mapping[str, str] | Sequence[str] | None = None,
    caption: str = "",
    digits: int | Mapping[str, int] = 2,
    best: Mapping[str, str] | None = None,
) -> ResultsTable:
    """A table whose cells are texts, numbers, or one number a seed (shown as mean ± standard deviation).

    Args:
        rows: one mapping a row, column key -> cell; a missing key or None is shown as a dash.
        columns: keys in order, or key -> heading; the keys of the first row by default.
        caption: text above, such as the number of seeds and the unit.
        digits: after the point; one number, or column key -> number, 2 for those that are not named.
        best: column key -> "min" or "max"; the best mean of that column is bold.

    Returns:
        A `ResultsTable`, shown by a notebook or by `print`.

    Raises:
        ValueError: without rows, for a column that no row has, or a `best` that is neither "min" nor "max".

    Example:
        >>> results_table([{"model": "VAE", "nll": [97.0, 99.0]}, {"model": "ladder", "nll": [91.0, 92.0]}],
        ...               {"model": "model", "nll": "−log p(x), nats"}, best={"nll": "min"})
        model   −log p(x), nats
        ------  ---------------
        VAE       98.00 ± 1.41
        ladder    91.50 ± 0.71*
    """
    if not rows:
        raise ValueError("rows: expected at least one row, got none")
    columns = columns if columns is not None else list(rows[0])
    headings = dict(columns) if isinstance(columns, Mapping) else {key: key for key in columns}
    known = {key for row in rows for key in row}
    places = digits if isinstance(digits, Mapping) else dict.fromkeys(headings, digits)
    for name, keys in (("columns", headings), ("best", best or {}), ("digits", places)):
        missing = [key for key in keys if key not in known]
        if missing:
            raise ValueError(f"{name}: expected keys among {', '.join(sorted(known))}, got {', '.join(missing)}")
    winners = set()
    for column, key in enumerate(headings):
        values = [_value(row.get(key)) for row in rows]
        direction = (best or {}).get(key)
        if direction is None:
            continue
        if direction not in ("min", "max"):
            raise ValueError(f"best[{key!r}]: expected 'min' or 'max', got {direction!r}")
        found = [value for value in values if value is not None]
        if found:
            target = min(found) if direction == "min" else max(found)
            winners |= {(row, column) for row, value in enumerate(values) if value == target}
    return ResultsTable(
        header=tuple(headings.values()),
        cells=tuple(tuple(_text(row.get(key), places.get(key, 2)) for key in headings) for row in rows),
        best=frozenset(winners),
        numeric=tuple(any(_value(row.get(key)) is not None for row in rows) for key in headings),
        caption=caption,
    )
