"""Text from templates: prompts and reports (jinja2's only door).

A name that a template uses and nobody gave is an error, never an empty string. HTML templates (`*.html`, `*.html.j2`) escape every value;
Markdown prompts escape nothing, because the model must see the source as it is: what comes from a candidate is fenced there instead.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import jinja2


def render(folder: Path, name: str, /, **values: object) -> str:
    """The template `name` in `folder` with `values` filled in; templates may include others of the same folder.

    Functions may be passed as values and called in the template. Raises `jinja2.TemplateError` for a template that is wrong in itself.
    """
    return _environment(folder).get_template(name).render(values)


def render_block(folder: Path, name: str, block: str, /, **values: object) -> str:
    """One block of a template alone, as `render` fills in the whole."""
    template = _environment(folder).get_template(name)
    return "".join(template.blocks[block](template.new_context(values)))


def escaped(name: str | None) -> bool:
    """Whether values put into the template called `name` are escaped for HTML."""
    return name is not None and name.removesuffix(".j2").endswith((".html", ".svg"))


@lru_cache(maxsize=16)
def _environment(folder: Path) -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        undefined=jinja2.StrictUndefined,
        autoescape=escaped,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
