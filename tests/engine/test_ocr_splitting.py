"""How a recognised line becomes words."""

from __future__ import annotations

from affidavit.engine.ocr.splitting import characters_of, split


def pieces(text: str, columns: list[float], confidences: list[float] | None = None) -> list[str]:
    sure = confidences or [1.0] * len(text)
    return [piece.text for piece in split(characters_of(text, sure, columns))]


def test_spaces_part_words_and_take_no_column() -> None:
    assert pieces("ab cd", [1, 3, 7, 9]) == ["ab", "cd"]


def test_letters_beyond_ascii_stay_in_their_word() -> None:
    assert pieces("Größe", [1, 3, 5, 7, 9]) == ["Größe"]


def test_hole_without_a_space_parts_words() -> None:
    assert pieces("Total12", [1, 3, 5, 7, 9, 22, 24]) == ["Total", "12"]


def test_letters_spaced_out_evenly_stay_one_word() -> None:
    assert pieces("WIDE", [2, 8, 14, 20]) == ["WIDE"]


def test_confidence_of_a_word_is_its_own_letters() -> None:
    first, second = split(characters_of("ab cd", [0.9, 0.7, 0.1, 1.0, 1.0], [1, 3, 7, 9]))
    assert (round(first.confidence, 6), second.confidence) == (0.8, 1.0)


def test_line_of_spaces_has_no_words() -> None:
    assert pieces("   ", []) == []


def test_place_of_a_word_is_its_first_and_last_column() -> None:
    (piece,) = split(characters_of("abc", [1.0] * 3, [4, 6, 8]))
    assert (piece.first, piece.last) == (4, 8)
