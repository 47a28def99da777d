"""How a setting is read: durations in the contract's own units, addresses, lists written in one text."""

import re
from datetime import timedelta
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field

from synthetics.sources import Allowed


def _duration(unit: timedelta) -> BeforeValidator:
    def read(value: object) -> object:
        if isinstance(value, timedelta):
            return value
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ValueError("a number above zero")
        try:
            length = float(value) * unit
        except (ValueError, OverflowError):
            raise ValueError("a number above zero") from None
        if length <= timedelta(0):
            raise ValueError("a number above zero")
        return length

    return BeforeValidator(read)


def _url(value: object) -> object:
    text = str(value).rstrip("/")
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and parts.hostname and (parts.port or 1)
    except ValueError:
        usable = False
    if not usable:
        raise ValueError("an address such as https://host or http://127.0.0.1:8000")
    return text


def _codes(value: object) -> object:
    if isinstance(value, str):
        return [part for part in re.split(r"[,\s{}]+", value) if part]
    return [value] if isinstance(value, int) else value


def _names(value: object) -> object:
    return [part for part in re.split(r"[,\s]+", value) if part] if isinstance(value, str) else value


Seconds = Annotated[timedelta, _duration(timedelta(seconds=1))]
Milliseconds = Annotated[timedelta, _duration(timedelta(milliseconds=1))]
Minutes = Annotated[timedelta, _duration(timedelta(minutes=1))]
Hours = Annotated[timedelta, _duration(timedelta(hours=1))]
Url = Annotated[str, BeforeValidator(_url)]
Codes = Annotated[frozenset[int], BeforeValidator(_codes), Allowed("a list of HTTP statuses, parted by commas")]
Names = Annotated[tuple[str, ...], BeforeValidator(_names)]
Name = Annotated[str, Field(min_length=1, max_length=255)]
