"""Commands and the execution actor: what a refusal of the start becomes on the command line."""

import pytest

from huracan.errors import ConfigError, HuracanError, RefusedError, ServeError
from huracan.trader.host import Doing, Phase
from serve.trading import error_of


@pytest.mark.parametrize(("code", "kind"), [(2, ConfigError), (3, RefusedError), (1, ServeError)])
def test_a_refusal_keeps_its_exit_code(code: int, kind: type[HuracanError]) -> None:
    """Bad input is 2, a refusal 3, anything else 1, whichever process it happened in."""
    error = error_of(Doing(Phase.REFUSED, "somebody else has it", (), None, None, None, code))
    assert type(error) is kind
    assert (str(error), error.exit_code) == ("somebody else has it", code)
