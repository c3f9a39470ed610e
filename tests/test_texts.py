"""Texts: both languages say the same things, and nothing is said without a text."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import pytest

from maps.texts import LANGUAGES, negotiate, say, sentences
from spatial import errors
from spatial.settings import ROOT

FOLDERS = ("spatial", "api", "maps", "fixtures", "migrations")
AT_FIRST = {"FaultyCell"} | {name for name, kind in vars(errors).items() if isinstance(kind, type)} - {
    "InputError",
    "GeometryFault",
    "Fault",
}
AT_SECOND = {"Fault", "invalid", "InputError", "GeometryFault"}


def calls() -> Iterator[tuple[Path, ast.Call, str]]:
    """Yield every call in the code with the name called."""
    for path in sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                yield path.relative_to(ROOT), node, getattr(node.func, "id", getattr(node.func, "attr", ""))


def literals(node: ast.AST) -> list[str]:
    """Return the strings an argument can be: itself, or either branch of a choice."""
    if isinstance(node, ast.IfExp):
        return literals(node.body) + literals(node.orelse)
    return [node.value] if isinstance(node, ast.Constant) and isinstance(node.value, str) else []


def faults() -> Iterator[tuple[str, str, set[str] | None]]:
    """Yield where a fault is made, its key, and the names of its values (None: not known from the code alone)."""
    for path, call, name in calls():
        place = 1 if name in AT_SECOND else 0 if name in AT_FIRST else None
        if place is None or len(call.args) <= place:
            continue
        values: set[str] | None = {word.arg for word in call.keywords if word.arg}
        if any(word.arg is None for word in call.keywords):
            values = None
        if name == "Fault" and len(call.args) > 2:
            given = call.args[2]
            values = (
                {key.value for key in given.keys if isinstance(key, ast.Constant)}
                if isinstance(given, ast.Dict)
                else None
            )
        for key in literals(call.args[place]):
            yield f"{path}:{call.lineno}", key, values


def placeholders(sentence: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(sentence) if name is not None}


def test_both_languages_have_the_same_keys() -> None:
    """A key of one language is a key of the other, and none is empty."""
    chinese, english = (sentences(lang) for lang in LANGUAGES)
    assert chinese.keys() == english.keys()
    assert all(text.strip() for text in (*chinese.values(), *english.values()))


def test_both_languages_fill_in_the_same_values() -> None:
    """A sentence has the same placeholders in both languages."""
    chinese, english = (sentences(lang) for lang in LANGUAGES)
    assert {key for key in chinese if placeholders(chinese[key]) != placeholders(english[key])} == set()


def test_chinese_is_chinese_and_english_is_english() -> None:
    """No sentence was left untranslated."""
    chinese, english = (sentences(lang) for lang in LANGUAGES)
    han = re.compile(r"[\u4e00-\u9fff]")
    bare = {
        key
        for key, text in chinese.items()
        if not han.search(text) and re.search(r"[a-z]{2}", re.sub(r"\{\w+\}", "", text))
    }
    assert bare == set()
    assert {key for key, text in english.items() if han.search(text)} <= {"home.title"}


def test_every_fault_has_a_sentence_and_gives_what_it_needs() -> None:
    """What the code raises is a sentence in both languages, with no placeholder left unfilled."""
    known = sentences("en")
    found = list(faults())
    assert len(found) > 20
    assert [f"{where}: {key}" for where, key, _ in found if f"fault.{key}" not in known] == []
    needed = {key: placeholders(known[f"fault.{key}"]) for _, key, _ in found}
    assert [
        f"{where}: {key} lacks {needed[key] - values}"
        for where, key, values in found
        if values is not None and needed[key] - values
    ] == []


def test_every_slug_has_a_title() -> None:
    """Each kind of problem has a title."""
    slugs = {kind.slug for kind in vars(errors).values() if isinstance(kind, type) and hasattr(kind, "slug")}
    assert {f"problem.{slug}" for slug in slugs - {"error"}} <= sentences("en").keys()


def test_every_text_asked_for_exists() -> None:
    """A key given to `say` is a text, and the fixed beginning of a composed key begins one."""
    known = sentences("en")
    for path, call, name in calls():
        if name not in {"say", "say_or"} or not call.args:
            continue
        asked = call.args[0]
        for key in literals(asked):
            assert key in known, f"{path}:{call.lineno}: {key}"
        if isinstance(asked, ast.JoinedStr) and isinstance(asked.values[0], ast.Constant):
            prefix = str(asked.values[0].value)
            assert any(key.startswith(prefix) for key in known), f"{path}:{call.lineno}: {prefix}"


def test_every_notice_of_the_command_line_exists() -> None:
    """A line shown while PostGIS starts or the demo loads is a text."""
    known = sentences("en")
    for path, call, name in calls():
        if name == "notice" and call.args:
            for key in literals(call.args[0]):
                assert f"cli.{key}" in known, f"{path}:{call.lineno}: cli.{key}"


def test_pages_ask_for_texts_that_exist() -> None:
    """Templates and scripts name no unknown text."""
    known = sentences("en")
    asked = re.compile(r"""say\(["']([a-z][\w.-]+)["'][,)]""")
    pages = [*(ROOT / "maps/templates").iterdir(), ROOT / "maps/static/home.js"]
    keys = {key for page in pages for key in asked.findall(page.read_text("utf-8"))}
    assert len(keys) > 30
    assert keys <= known.keys()
    script = (ROOT / "maps/static/grids.js").read_text("utf-8")
    assert {f"map.page.{key}" for key in re.findall(r"data\.texts\.(\w+)", script)} <= known.keys()


def test_a_missing_value_stays_visible() -> None:
    """A sentence with a value missing is still said, an unknown key is shown."""
    assert say("map.until", "en") == "until {time}"
    assert say("map.until", "zh-CN", time="20:00") == "至 20:00"
    assert say("no.such", "en") == "no.such"


def test_values_are_never_templates() -> None:
    """Braces and attributes in a value are text."""
    assert say("map.until", "en", time="{0.__class__}") == "until {0.__class__}"


def test_a_value_may_be_said_otherwise_in_each_language() -> None:
    """A value is another sentence, or has one form for each language."""
    assert say("map.until", "zh-CN", time={"say": "rows.kept.shift"}) == "至 班次"
    assert say("map.until", "en", time={"zh-CN": "晚", "en": ["dusk", "dawn"]}) == "until dusk, dawn"


def test_lists_read_as_people_write_them() -> None:
    """Several values are joined with the mark of the language."""
    assert say("fault.role-missing", "en", needed=["a", "b"]) == "This needs one of the roles a, b."
    assert say("fault.role-missing", "zh-CN", needed=("a", "b")) == "需要下列角色之一：a、b。"


@pytest.mark.parametrize(
    ("accept", "lang", "spoken"),
    [
        (None, None, "zh-CN"),
        ("en-GB,en;q=0.8", None, "en"),
        ("zh-Hans-CN,en;q=0.9", None, "zh-CN"),
        ("fr,en;q=0.3,zh;q=0.7", None, "zh-CN"),
        ("en;q=0,zh;q=0.1", None, "zh-CN"),
        ("fr, de", None, "zh-CN"),
        ("*", None, "zh-CN"),
        ("en;q=nonsense", None, "en"),
        ("zh", "en", "en"),
        ("en", "zh-Hant", "zh-CN"),
        ("en", "xx", "zh-CN"),
    ],
)
def test_the_language_is_the_one_asked_for_else_the_readers(accept: str | None, lang: str | None, spoken: str) -> None:
    """`lang` wins over the browser's wishes, which win over the default."""
    assert negotiate(accept, lang, "zh-CN") == spoken
