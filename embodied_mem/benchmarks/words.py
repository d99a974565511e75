"""The `key=value` words after `embodied-mem bench NAME`: read and refused alike by every benchmark that takes some."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from embodied_mem.errors import ConfigError, UnknownConfigKey, did_you_mean


def read_pair(word: str, bench: str, known: Sequence[str]) -> tuple[str, str]:
    """The key and the text of a word.

    Raises:
        UnknownConfigKey: it is no pair, or the benchmark has no such key, with the nearest one.
    """
    key, is_pair, text = word.partition("=")
    if not is_pair or key not in known:
        raise UnknownConfigKey(
            f"bench {bench} does not take {word!r}; it takes {', '.join(f'{k}=...' for k in known)}."
            f"{did_you_mean(key, known)}"
        )
    return key, text


def check_known(key: str, names: Sequence[str], known: Iterable[str]) -> None:
    """Refuse names that there are not.

    Raises:
        ConfigError: the first of them, with the nearest one.
    """
    allowed = sorted(known)
    for name in names:
        if name not in allowed:
            raise ConfigError(
                f"there is no {key} {name!r}; there are {allowed}.{did_you_mean(name, allowed)}"
            )
