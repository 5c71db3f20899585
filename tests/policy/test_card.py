import json

import numpy as np
import pytest

from huracan.errors import ArtefactError
from huracan.features import LAYOUT
from huracan.policy import NetworkSpec, PolicyCard, catalogue_identity
from huracan.policy.card import body_sha256, parse_card
from huracan.policy.network import MASK_ENTRIES
from tests.policy.recipes import make_card, random_normaliser

CARD = make_card(random_normaliser(5), NetworkSpec((8,)))


def test_a_card_survives_json_exactly() -> None:
    """Every float of the normaliser comes back with the same bits, unclipped entries included."""
    again = parse_card("here", json.loads(json.dumps(CARD.model_dump(mode="json"))))
    assert again == CARD
    normaliser, original = again.normaliser(), random_normaliser(5)
    for name in ("center", "scale", "clip", "available"):
        assert getattr(normaliser, name).tobytes() == getattr(original, name).tobytes()
    assert np.isinf(normaliser.clip).any()


def test_features_are_the_catalogue_of_the_timeframe() -> None:
    """Names follow the layout; another timeframe has other windows and other hashes."""
    minute, day = catalogue_identity("1m"), catalogue_identity("1d")
    assert tuple(entry.name for entry in minute) == LAYOUT
    assert minute != day


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("name", ""),
        ("hidden", []),
        ("universe", []),
        ("seeds", []),
        ("timeframe", "7m"),
        ("data_fingerprint", "xyz"),
        ("center", [0.0] * 79),
        ("env_steps", -1),
    ],
)
def test_a_value_that_does_not_fit_is_named(key: str, value: object) -> None:
    """One line: the file, the key, what is wrong."""
    data = CARD.model_dump(mode="json") | {key: value}
    with pytest.raises(ArtefactError, match=f"here: key {key}") as caught:
        parse_card("here", data)
    assert "\n" not in str(caught.value)


def test_a_scaled_mask_entry_is_refused() -> None:
    """A card cannot smuggle in a normaliser that the network would refuse."""
    data = CARD.model_dump(mode="json")
    data["center"][MASK_ENTRIES[0]] = 1.0
    with pytest.raises(ArtefactError, match="carry the mask"):
        parse_card("here", data)


def test_the_hash_ignores_the_order_of_keys_and_nothing_else() -> None:
    """Two spellings of one document are one id; any other value is another."""
    assert body_sha256({"a": 1, "b": [2]}) == body_sha256({"b": [2], "a": 1})
    assert body_sha256({"a": 1}) != body_sha256({"a": 1.5})
    assert PolicyCard.model_config["frozen"]
