"""A folium page as one file that carries its library and can ask no host for anything.

Folium links its libraries from seven public hosts, and branca renders every piece of a page as a template a second
time, so that a grid named `{{ 7 * 7 }}` would be evaluated. Here Leaflet is written into the page, text of people only
enters through `Verbatim`, and a Content-Security-Policy with the hash of every script and style makes the browser
itself refuse everything else.
"""

import base64
import hashlib
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import folium
import orjson
from branca.element import Element, Figure
from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import escape

from spatial.errors import SetupError
from spatial.settings import ROOT

NODE_MODULES = ROOT / "node_modules"
STATIC = Path(__file__).parent / "static"

TEMPLATES = Environment(
    loader=PackageLoader("maps"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)

_INLINE = re.compile(r"<(script|style)>(.*?)</\1>", re.DOTALL)
_IMAGE = re.compile(r"url\((images/[^)]+)\)")
_VML = re.compile(r"behavior:\s*url\([^)]*\);?")  # drawing for Internet Explorer 8


class Verbatim(Element):
    """A piece of a page that is rendered as it stands, never as a template."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text = html

    def render(self, **_: Any) -> str:
        """Return the piece."""
        return self.text


class Page(Figure):
    """A page whose policy allows what is written in it, images from `image_origin`, and nothing else."""

    _template = Template(
        '<!DOCTYPE html>\n<html lang="{{ this.lang }}">\n<head>\n{{ this.header.render(**kwargs) }}\n</head>\n'
        "<body>\n{{ this.html.render(**kwargs) }}\n<script>{{ this.script.render(**kwargs) }}</script>\n"
        "</body>\n</html>\n"
    )

    def __init__(self, lang: str, image_origin: str | None = None) -> None:
        super().__init__()
        self.lang = lang
        self.image_origin = image_origin

    def render(self, **kwargs: Any) -> str:
        """Return the page with its policy."""
        html = super().render(**kwargs)
        meta = f'<meta http-equiv="Content-Security-Policy" content="{policy(html, self.image_origin)}">'
        return html.replace("<head>", f"<head>\n{meta}", 1)


class OfflineMap(folium.Map):
    """A folium map in a `Page` of its own; the same content always renders to the same bytes."""

    def __init__(self, name: str, title: str, lang: str, base_map_url: str | None = None) -> None:
        super().__init__(
            tiles=None, zoom_start=12, zoom_snap=0.25, zoom_control=False, attribution_control=bool(base_map_url)
        )
        self._id = name
        self.title = title
        self.default_js = self.default_css = []  # no links: the library is written into the page
        self.page = Page(lang, _origin(base_map_url) if base_map_url else None)
        self.page.header.add_child(Verbatim(f'<title>{escape(title)}</title><link rel="icon" href="data:,">'))
        self.page.add_child(self)
        if base_map_url:
            tiles = folium.TileLayer(
                base_map_url, attr=urlsplit(base_map_url).netloc or " ", max_zoom=20, control=False
            )
            tiles._id = name
            self.add_child(tiles)
        self.write_style(leaflet_css())
        self.write_script(library("leaflet/dist/leaflet.js").partition("//# sourceMappingURL")[0])

    def write_style(self, css: str) -> None:
        """Put a style sheet into the page's head."""
        self.page.header.add_child(Verbatim(f"<style>{css}</style>"))

    def write_script(self, javascript: str) -> None:
        """Put a script into the page's head."""
        self.page.header.add_child(Verbatim(f"<script>{javascript}</script>"))

    def write_html(self, html: str) -> None:
        """Put markup into the page's body, after the map."""
        self.page.html.add_child(Verbatim(html))

    def write_data(self, element_id: str, data: Any) -> None:
        """Put data into the page's body as JSON that cannot end its element."""
        json = orjson.dumps(data).decode().replace("<", "\\u003c").replace("&", "\\u0026")
        self.write_html(f'<script type="application/json" id="{element_id}">{json}</script>')

    def html(self) -> str:
        """Return the finished page."""
        return self.page.render()

    def policy(self, html: str) -> str:
        """Return the policy that the finished page carries, for whoever sends it."""
        return policy(html, self.page.image_origin)


def policy(html: str, image_origin: str | None = None) -> str:
    """Return the Content-Security-Policy under which the inline scripts and styles of a page run, and nothing else."""
    allowed: dict[str, list[str]] = {"script": [], "style": []}
    for kind, text in _INLINE.findall(html):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        allowed[kind].append(f"'sha256-{digest}'")
    scripts, styles = (" ".join(dict.fromkeys(allowed[kind])) for kind in ("script", "style"))
    images = " ".join(filter(None, ["data:", image_origin]))
    return (
        f"default-src 'none'; script-src {scripts}; style-src {styles}; img-src {images}; "
        "base-uri 'none'; form-action 'none'"
    )


def library(path: str) -> str:
    """Return the text of a front-end library's file."""
    file = NODE_MODULES / path
    if not file.is_file():
        raise SetupError("front-end-missing", path=str(file))
    return file.read_text("utf-8")


def leaflet_css() -> str:
    """Return Leaflet's style sheet with its images written into it."""

    def as_data(found: re.Match[str]) -> str:
        image = base64.b64encode((NODE_MODULES / "leaflet/dist" / found[1]).read_bytes()).decode()
        return f"url(data:image/png;base64,{image})"

    return _IMAGE.sub(as_data, _VML.sub("", library("leaflet/dist/leaflet.css")))


def _origin(url: str) -> str:
    """Return the origin of a tile URL as a policy names it; `{s}` stands for any sub-domain."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.replace('{s}', '*')}" if parts.netloc else "'self'"
