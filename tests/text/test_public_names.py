"""The public names of the package."""

from vkteams_bot import text


def test_all_is_sorted_and_complete():
    assert text.__all__ == sorted(text.__all__)
    assert text.__all__ == [
        "Bold", "Code", "FormatBuilder", "Italic", "Link", "Mention", "Node", "OrderedList", "Pre", "Quote", "Raw",
        "Strikethrough", "Text", "Underline", "UnorderedList", "html", "md", "split_text",
    ]  # fmt: skip
    assert all(hasattr(text, name) for name in text.__all__)
