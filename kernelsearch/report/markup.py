"""What turns text from kernels and models into markup of a page that cannot act: escaping, odd characters made visible, the page's policy.

Everything else in a page goes through the templates, which escape each value. What is put together here a template would be slow at or
could not do: tables and coloured code, of which a page may have thousands; data for the page's script; and the Content-Security-Policy
with the digests of the page's own style and script. Under it nothing else may run, load, or be sent.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from html import escape

from kernelsearch.report.diff import Pair
from kernelsearch.report.timing import Row
from kernelsearch.source.highlight import Line, Source

# Control characters, those that reorder or hide text, and halves of pairs. Tab and line end stay.
_ODD = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u115f\u1160\u180e\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff]"
)


def visible(text: str) -> str:
    """`text` with every character that a reader would not see, or that would move others, as its name: ‹U+202E›."""
    return _ODD.sub(lambda match: f"‹U+{ord(match.group()):04X}›", text)


@lru_cache(maxsize=50_000)
def code(line: Line) -> str:
    """One line of source as spans, escaped."""
    return "".join(f'<span class="k-{kind}">{escape(text)}</span>' if kind else escape(text) for kind, text in line)


def data(value: object) -> str:
    """`value` as JSON that may stand inside a script element: no `<`, so no tag and no comment begins or ends in it."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def policy(style: str, script: str) -> str:
    """The Content-Security-Policy of a page with exactly these two inline texts."""
    return (
        f"default-src 'none'; style-src '{_sha256(style)}'; script-src '{_sha256(script)}'; "
        "base-uri 'none'; form-action 'none'; object-src 'none'"
    )


def _sha256(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def table(rows: Iterable[Row], heads: Sequence[str] = ()) -> str:
    """Rows under heads. A row that has a note has it in a last cell of its own."""
    names = "".join(f'<th scope="col">{escape(text)}</th>' for text in heads)
    head = f"<thead><tr>{names}</tr></thead>\n" if heads else ""
    body = "\n".join(_tr(row) for row in rows)
    return f'<div class="wide"><table>\n{head}<tbody>\n{body}\n</tbody></table></div>'


def _tr(row: Row) -> str:
    cells = "".join(f"<td>{escape(cell)}</td>" for cell in ((*row.cells, row.note) if row.note else row.cells))
    return f'<tr><th scope="row">{escape(row.name)}</th>{cells}</tr>'


def difference(pairs: Iterable[Pair], old: str, new: str) -> str:
    """Two sources side by side, under what they are called."""
    rows = "\n".join(_pair(pair) for pair in pairs)
    heads = "".join(f'<th colspan="2" scope="col">{escape(name)}</th>' for name in (old, new))
    columns = '<colgroup><col class="no"><col><col class="no"><col></colgroup>'
    return f'<div class="wide"><table class="diff">{columns}<thead><tr>{heads}</tr></thead><tbody>\n{rows}\n</tbody></table></div>'


def _pair(pair: Pair) -> str:
    if pair.note:
        return f'<tr class="gap"><td colspan="4">{escape(pair.note)}</td></tr>'
    cells = []
    for name, side in (("old", pair.old), ("new", pair.new)):
        number, text = ("", "") if side is None else (str(side.number), code(side.pieces))
        kind = name if side else f"{name} none"
        cells.append(f'<td class="no">{number}</td><td class="{kind}">{text}</td>')
    return f'<tr class="{pair.kind}">{"".join(cells)}</tr>'


def listing(source: Source, heat: Mapping[int, str] | None = None) -> str:
    """A whole source. The style sheet counts the lines, so that a line is the same wherever it stands; `heat` is what to tell of some."""
    rows = []
    for number, line in enumerate(source.lines, 1):
        share = heat.get(number, "") if heat else ""
        warm = f'<td class="heat">{escape(share)}</td>' if heat else ""
        rows.append(f'<tr class="hot">{warm}<td>{code(line)}</td></tr>' if share else f"<tr>{warm}<td>{code(line)}</td></tr>")
    body = "\n".join(rows)
    return f'<div class="wide"><table class="code"><tbody>\n{body}\n</tbody></table></div>'
