"""XML as carts write it, made safe and plain: one parse by defusedxml, then UTF-8 for whoever reads on.

Carts declare GBK, GB2312 or ISO-8859-1 and write something else; expat knows no Chinese sets at all. Entities,
external or expanding, are refused.
"""

import re
import xml.etree.ElementTree as ET
from xml.etree.ElementTree import Element

from defusedxml import DefusedXmlException  # type: ignore[import-untyped]
from defusedxml.ElementTree import fromstring  # type: ignore[import-untyped]

from adapters.ecg.content import Content
from adapters.ecg.errors import NotAnEcg
from adapters.ecg.text import read_text

_PROLOG = re.compile(r"^\ufeff?\s*<\?xml[^>]*\?>")
_ENCODING = re.compile(rb"^[^>]{0,100}?encoding\s*=\s*[\"']([A-Za-z0-9._-]+)")
# The one letter beyond ASCII that Western carts write: μ of a unit, in UTF-8 (twice), GB18030 and Latin-1.
_MICRO = re.compile(rb"(\"|'|>|\s)(?:\xc2\xb5|\xce\xbc|\xa6\xcc|\xb5)(V(?:olts?)?[\"'<\s])")
_DEEPEST = 200  # elements in elements; real files have twenty
_TERMS = {
    "utf-8": "ISO_IR 192",
    "utf8": "ISO_IR 192",
    "gbk": "GB18030",
    "gb2312": "GB18030",
    "gb18030": "GB18030",
}
_PLAIN = '<?xml version="1.0" encoding="UTF-8"?>\n'


def text_of_head(head: bytes) -> str:
    """The beginning of a file, to look for a root element."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return head[: len(head) // 2 * 2].decode("utf-16", errors="ignore")
    if head[:2] in (b"<\0", b"\0<"):
        return head.decode("utf-16-le" if head[:1] == b"<" else "utf-16-be", errors="ignore")
    return head.decode("latin-1")


def read_xml(content: Content) -> tuple[Element, bytes]:
    """The root, and the same document as UTF-8 that says so."""
    text = _PROLOG.sub("", _decoded(content.whole()), count=1).strip("\0 \r\n\t\ufeff")
    plain = (_PLAIN + text).encode("utf-8", errors="replace")
    try:
        root = fromstring(plain)
    except DefusedXmlException as error:
        raise NotAnEcg("xml_entities") from error
    except ET.ParseError as error:
        raise NotAnEcg("truncated" if "no element" in str(error) or "unclosed" in str(error) else "damaged",
                       f"XML: {error}") from error  # fmt: skip
    _check_depth(root)
    return root, plain


def strip_namespaces(root: Element) -> None:
    """Leave the local names: a cart's prefix and namespace tell nothing that the format does not."""
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]


def _check_depth(root: Element) -> None:
    level, depth = [root], 0
    while level:
        depth += 1
        if depth > _DEEPEST:
            raise NotAnEcg("damaged", "XML")
        level = [child for element in level for child in element]


def _decoded(raw: bytes) -> str:
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return raw.decode("utf-16", errors="replace")
    if raw[:2] in (b"<\0", b"\0<"):
        return raw.decode("utf-16-le" if raw[:1] == b"<" else "utf-16-be", errors="replace")
    declared = _ENCODING.match(raw[:200])
    name = declared[1].decode("ascii").lower() if declared else "utf-8"
    return read_whole_text(raw, name)


def read_whole_text(raw: bytes, declared: str) -> str:
    """As declared, if that is possible and sensible; else as what it is."""
    raw = _MICRO.sub(rb"\1u\2", raw.removeprefix(b"\xef\xbb\xbf"))
    if raw.isascii():
        return raw.decode("ascii")
    lines = [line for line in raw.split(b"\n") if not line.isascii()]
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return _line_by_line(raw, lines, _TERMS.get(declared, "ISO_IR 100"), declared)
    return raw.decode("utf-8")


def _line_by_line(raw: bytes, lines: list[bytes], term: str, declared: str) -> str:
    """Not UTF-8. A declared Western set is doubted; all lines are read by one set, if one reads them."""
    for codec in ("gb18030", declared):
        joined = "".join(read_text(line, term) for line in lines)
        if codec == "gb18030" and not any("\u4e00" <= character <= "\u9fff" for character in joined):
            continue
        try:
            return raw.decode(codec)
        except (UnicodeDecodeError, LookupError):
            continue
    return raw.decode("latin-1")
