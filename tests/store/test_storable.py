"""Whatever comes in, what goes to Postgres is JSON and text that it takes."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from synthetics.store.storable import storable, storable_text

TEXTS = st.text(st.characters(exclude_categories=()))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS | st.binary(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)


@given(TEXTS)
def test_text_is_kept_but_for_what_cannot_be(text: str) -> None:
    kept = storable_text(text)
    kept.encode()
    assert "\0" not in kept
    assert len(kept) == len(text)
    assert all(new in (old, "\ufffd") for old, new in zip(text, kept, strict=True))


@given(VALUES)
def test_any_value_becomes_strict_json(value: Any) -> None:
    written = json.dumps(storable(value), allow_nan=False, ensure_ascii=False)
    written.encode()
    assert "\\u0000" not in written
    assert storable(json.loads(written)) == json.loads(written), "made storable again it is the same"
