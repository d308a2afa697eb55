"""How fast the gateway simulator answers, and what a request costs it.

    python -m tests.benchmarks.simulator [--seconds 5] [--connections 500] [--latency 50ms]

The load comes from this process, over keep-alive connections with one request at a time on each, every one
with an id and a text of its own. On a machine of two cores the two processes have one each.
"""

import argparse
import asyncio
import json
import os
import time
from itertools import count
from pathlib import Path
from typing import Any

import uvloop

from tests.gateway_process import GatewayProcess

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
TEXT = json.dumps("Здравствуйте! Ваш заказ %010d готов, ждём вас до вечера.")
BODY = f'{{"id": %d, "phone": %d, "text": {TEXT}}}'.encode()
HEAD = (
    b"POST /v1/send/%d HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer token\r\nAccept: */*\r\n"
    b"Accept-Encoding: gzip, deflate\r\nUser-Agent: benchmark\r\nContent-Length: %d\r\n"
    b"Content-Type: application/json\r\n\r\n"
)


class Load:
    """What all connections together have sent and got."""

    def __init__(self) -> None:
        self.ids = count(1)
        self.answers = 0
        self.wrong = 0
        self.is_on = True


class Caller(asyncio.Protocol):
    """Sends the next request as soon as the last one is answered."""

    def __init__(self, load: Load) -> None:
        self.load = load

    def connection_made(self, transport: Any) -> None:  # uvloop's transport is of no asyncio class
        self.transport = transport

    def send(self) -> None:
        number = next(self.load.ids)
        body = BODY % (number, 79000000000 + number % 1_000_000_000, number)
        self.transport.write(HEAD % (number, len(body)) + body)

    def data_received(self, data: bytes) -> None:
        self.load.answers += 1
        self.load.wrong += b'"code": 0' not in data
        if self.load.is_on:
            self.send()


async def press(gateway: GatewayProcess, load: Load, *, connections: int, seconds: float) -> float:
    """Keeps every connection busy; the seconds it really took."""
    loop = asyncio.get_running_loop()
    pairs = [await loop.create_connection(lambda: Caller(load), *gateway.address) for _ in range(connections)]
    start = time.monotonic()
    for _, caller in pairs:
        caller.send()
    await asyncio.sleep(seconds)
    load.is_on = False
    took = time.monotonic() - start
    for transport, _ in pairs:
        transport.abort()
    return took


def cpu_seconds(pid: int) -> float:
    """Of all threads of a process, in user and kernel together."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory(pid: int) -> int:
    """Bytes of the process that are in memory now."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--connections", type=int, default=500)
    parser.add_argument("--latency", default="50ms")
    chosen = parser.parse_args()
    load = Load()
    with GatewayProcess("--latency", chosen.latency) as gateway:
        pid = gateway.process.pid
        cpu, size = cpu_seconds(pid), memory(pid)
        took = uvloop.run(press(gateway, load, connections=chosen.connections, seconds=chosen.seconds))
        cpu, size = cpu_seconds(pid) - cpu, memory(pid) - size
    if load.wrong:
        raise SystemExit(f"{load.wrong} of {load.answers} answers were not the contract's")
    print(
        f"{load.answers} requests in {took:.2f} s, {chosen.connections} at once, answered after {chosen.latency}"
    )
    print(f"{load.answers / took:.0f} requests/s; {cpu / load.answers * 1000:.4f} CPU seconds per 1,000 requests")
    print(f"that is {load.answers / cpu:.0f} requests per second of a core")
    print(f"{size / load.answers:.0f} bytes of memory per request, with the connections and a text of its own")


if __name__ == "__main__":
    main()
