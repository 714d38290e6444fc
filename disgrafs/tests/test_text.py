"""Words and names are equal after normalisation exactly if they are the same to a reader."""

import pytest

from disgrafs import names, text


@pytest.mark.parametrize(
    ("raw", "label"),
    [
        ("Straße", "strasse"),
        ("Ｆｕｌｌ", "full"),
        ("  a\tb\n ", "a b"),
        ("\u202eevil", "evil"),
        ("é", "é"),
        ("x" * 5000, "x" * 64),
        (" \u200b\0 ", None),
        ("", None),
        ("報告 2", "報告 2"),
    ],
)
def test_a_label_has_one_spelling(raw: str, label: str | None) -> None:
    assert text.label(raw) == label


def test_words_of_a_text_without_spaces_are_its_characters() -> None:
    assert text.words("Größe 報告-2.JPG") == ["grösse", "報", "告", "2", "jpg"]
    assert text.words("a_b*(-@)") == ["a", "b"]


@pytest.mark.parametrize("name", [b"plain", "Größe".encode(), b"\xff\xfe", b"%FF", b"/%FF"[1:], b"a\nb", b"\xe5\xa0"])
def test_a_name_is_restored_from_its_stored_form(name: bytes) -> None:
    stored = names.stored(name)
    assert stored.encode("utf-8")
    assert names.stored(names.real(stored)) == stored
    assert names.real(stored).encode("utf-8", "surrogateescape") == name
    assert names.shown(names.real(stored)).encode("utf-8")
