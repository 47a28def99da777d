"""Answers to commands: what they hold (contract §4.4), and what a broken platform makes of them."""

import asyncio
import contextlib
import json
import time
from typing import Any

from sandbox.container.activity import AWS_ERRORS
from sandbox.container.rows import Queues
from sandbox.faults import Faults, Value, amount

Answer = dict[str, Any]
INTERRUPTED = "Process interrupted by new message"


def head(session: str, command: str, *, success: bool) -> Answer:
    """The members that every answer has."""
    return {
        "sessionId": session,
        "commandId": command,
        "timestamp": int(time.time() * 1000),
        "success": success,
    }


class Answers:
    """The output queue, and who is told wrongly."""

    def __init__(self, queues: Queues, faults: Faults, client: str) -> None:
        self._queues = queues
        self._faults = faults
        self._client = client
        self._sent: list[Answer] = []
        self._late: set[asyncio.Task[None]] = set()

    async def send(self, answer: Answer) -> None:
        """Answer a command, once, now and truly, unless a fault has it otherwise."""
        told = self._mixed_up(answer)
        self._sent.append(answer)
        if self._struck("response-dropped") is not None:
            return
        if (late := self._struck("response-late")) is not None:
            task = asyncio.create_task(self._after(amount(late), told))
            self._late.add(task)
            task.add_done_callback(self._late.discard)
            return
        await self._respond(told)
        if self._struck("response-twice") is not None:
            await self._respond(told)

    def _mixed_up(self, answer: Answer) -> Answer:
        """The answer, with what belongs to earlier ones in it where a fault says so."""
        told = dict(answer)
        others = [sent["sessionId"] for sent in self._sent if sent["sessionId"] != answer["sessionId"]]
        if others and self._struck("response-of-another-session") is not None:
            told["sessionId"] = others[-1]
        if self._sent and self._struck("response-of-another-command") is not None:
            told["commandId"] = self._sent[-1]["commandId"]
        done = [sent for sent in self._sent if sent["success"]]
        if done and answer["success"]:
            if self._struck("wrong-summary") is not None:
                told["summary"] = done[-1]["summary"]
            if self._struck("wrong-files-changed") is not None:
                told["filesChanged"] = done[-1]["filesChanged"]
        return told

    async def _after(self, seconds: float, told: Answer) -> None:
        await asyncio.sleep(seconds)
        with contextlib.suppress(*AWS_ERRORS):  # a queue that is gone by then
            await self._respond(told)

    async def _respond(self, told: Answer) -> None:
        await asyncio.to_thread(self._queues.respond, json.dumps(told))

    def _struck(self, fault: str) -> dict[str, Value] | None:
        return self._faults.strikes(fault, client=self._client)
