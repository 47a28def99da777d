"""The chat thread of a message: the vectors of contract §8.3."""

import pytest

from probes.platform.threads import chat_thread, sms_source


@pytest.mark.parametrize(
    ("source", "thread"),
    [
        ("<probe-0001@monitor.example>", "tZoTQGRH"),
        ("probe-0001@monitor.example", "tZoTQGRH"),
        ("thread-1", "Swpf78Mo"),
        ("thread-2", "ZsZRTYEf"),
        (sms_source("+15550001", "+15550002"), "WPjY0byj"),
        (sms_source("+15550002", "+15550001"), "WPjY0byj"),
    ],
)
def test_a_thread_is_named_by_the_hash_of_its_source(source: str, thread: str) -> None:
    assert chat_thread(source) == thread
