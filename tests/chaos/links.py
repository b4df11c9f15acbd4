"""One door of the proxy, and one connection through it: carried both ways, and struck by whatever is on."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from typing import Protocol

CUT = "connections reset"
HALF_OPEN = "connections half-open"
RESET = "reset in mid-reply"
SWALLOW = "executed, reply swallowed"
DELAY = "delay"
TRICKLE = "one byte at a time"
DEAF = "lose wake-ups"
CUT_OFF = "cut off by the proxy"

AT_ONCE = (CUT, HALF_OPEN)
ARMED = (RESET, SWALLOW)
LASTING = (DELAY, TRICKLE, DEAF, CUT_OFF)
KINDS = (*AT_ONCE, *ARMED, *LASTING)

NOTHING = b"*-1\r\n"
"""What a blocking read answers when its time is over."""

RESET_AT_CLOSE = struct.pack("ii", 1, 0)
MOST_TRICKLED = 300
FORGOTTEN_AFTER = 10.0
"""How long Redis goes on believing in a half-open connection, in seconds."""

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Weather(Protocol):
    """What a link asks its proxy."""

    def is_struck(self, door: Door, kind: str) -> bool:
        """Whether a lasting kind is on."""

    def hit(self, kind: str) -> None:
        """Count that something was really struck."""

    async def hold_up(self, door: Door) -> None:
        """Return when what passes may pass."""


def reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST."""
    with contextlib.suppress(OSError):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
    writer.transport.abort()


class Door:
    """One address for one client of Redis, and what is done to it now: kinds of `LASTING` until a time of the loop."""

    def __init__(self, name: str, listener: socket.socket) -> None:
        self.name = name
        self.listener = listener
        self.links: set[Link] = set()
        self.until: dict[str, float] = {}
        self.accepting = False

    @property
    def url(self) -> str:
        """The address for `queues.connection.connect`."""
        host, port = self.listener.getsockname()
        return f"redis://{host}:{port}"


class Link:
    """One connection of a client, and ours to Redis for it."""

    def __init__(self, weather: Weather, door: Door, client: Streams, server: Streams) -> None:
        self.weather, self.door = weather, door
        self.from_client, self.to_client = client
        self.from_server, self.to_server = server
        self.silent = False
        """Half-open: whatever either side sends is gone, and neither hears of the other's end."""
        self.armed: str | None = None
        self.fires = False
        self.waits = False
        """Whether the client waits for a wake-up."""

    async def carry(self) -> None:
        """Carry both ways until one side ends."""
        ways = [asyncio.create_task(self._requests()), asyncio.create_task(self._replies())]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            if self.silent:
                await asyncio.sleep(FORGOTTEN_AFTER)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            for writer in (self.to_client, self.to_server):
                writer.close()

    def reset(self) -> None:
        """End the client's side with RST, Redis' side as if the client had died."""
        reset(self.to_client)
        self.to_server.close()

    async def _requests(self) -> None:
        while data := await self.from_client.read(1 << 16):
            await self.weather.hold_up(self.door)
            if self.silent:
                continue
            self.waits = self.waits or b"BLPOP" in data or b"SUBSCRIBE" in data
            # A long script comes in several pieces, and only the first of them names the command.
            self.fires = self.fires or self.armed == RESET or (self.armed == SWALLOW and b"EVAL" in data)
            self.to_server.write(data)
            await self.to_server.drain()
        await self.weather.hold_up(self.door)

    async def _replies(self) -> None:
        while data := await self.from_server.read(1 << 16):
            await self.weather.hold_up(self.door)
            if self.silent:
                continue
            if self.fires and self.armed:
                self.weather.hit(self.armed)
                self.to_client.write(data[: len(data) // 2] if self.armed == RESET else b"")
                self.reset()
                break
            await self._answer(self._unheard(data) if self.weather.is_struck(self.door, DEAF) else data)
        if self.silent:
            await asyncio.Event().wait()
        await self.weather.hold_up(self.door)

    def _unheard(self, data: bytes) -> bytes:
        """A wake-up becomes what the end of the waiting looks like; a published message is gone."""
        woken, told = self.waits and data.startswith(b"*2\r\n"), b"\r\nmessage\r\n" in data[:20]
        if woken or told:
            self.weather.hit(DEAF)
        return NOTHING if woken else b"" if told else data

    async def _answer(self, data: bytes) -> None:
        if self.weather.is_struck(self.door, TRICKLE):
            self.weather.hit(TRICKLE)
            for at in range(min(len(data), MOST_TRICKLED)):
                if self.to_client.is_closing():
                    return
                self.to_client.write(data[at : at + 1])
                await asyncio.sleep(0.001)
            data = data[MOST_TRICKLED:]
        self.to_client.write(data)
        await self.to_client.drain()
