"""relay.py LISTEN TARGET [--delay-ms MS] [--rate-mbit MBIT]: a slow link in front of a TCP port.

Every byte reaches the other side MS later than it came, and each direction of each connection
carries at most MBIT megabits per second, as a link would: bytes wait their turn, none is lost. A
direction holds at most kHeldMax bytes; then its sender has to wait.
"""
import argparse
import asyncio
import socket
import time

HELD_MAX = 4 << 20
READ_MAX = 64 << 10


class Direction:
    """One direction of one connection: a queue of (time it is due, bytes)."""

    def __init__(self, delay_s, bytes_per_s):
        self.delay_s, self.bytes_per_s = delay_s, bytes_per_s
        self.free_at = 0.0  # when the link has sent what it has
        self.queue = asyncio.Queue()
        self.held = 0
        self.room = asyncio.Event()
        self.room.set()

    async def take_in(self, reader):
        try:
            while data := await reader.read(READ_MAX):
                await self.room.wait()
                now = time.monotonic()
                begin = max(now, self.free_at)
                self.free_at = begin + (len(data) / self.bytes_per_s if self.bytes_per_s else 0)
                self.held += len(data)
                if self.held >= HELD_MAX:
                    self.room.clear()
                self.queue.put_nowait((self.free_at + self.delay_s, data))
        except OSError:
            pass
        self.queue.put_nowait((0, b""))

    async def give_out(self, writer):
        try:
            while True:
                due, data = await self.queue.get()
                if not data:
                    break
                wait = due - time.monotonic()
                if wait > 0:
                    await asyncio.sleep(wait)
                writer.write(data)
                await writer.drain()
                self.held -= len(data)
                if self.held < HELD_MAX:
                    self.room.set()
        except OSError:
            pass
        writer.close()


def no_delay(writer):
    writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


async def serve(listen, target, delay_s, bytes_per_s):
    async def connected(reader, writer):
        try:
            far_reader, far_writer = await asyncio.open_connection(*split(target))
        except OSError:
            writer.close()
            return
        no_delay(writer)
        no_delay(far_writer)
        there, back = Direction(delay_s, bytes_per_s), Direction(delay_s, bytes_per_s)
        try:
            await asyncio.gather(there.take_in(reader), there.give_out(far_writer),
                                 back.take_in(far_reader), back.give_out(writer))
        except asyncio.CancelledError:
            pass  # the relay ends

    server = await asyncio.start_server(connected, *split(listen))
    print("relay is up", flush=True)
    async with server:
        await server.serve_forever()


def split(address):
    host, _, port = address.rpartition(":")
    return host, int(port)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("listen")
    parser.add_argument("target")
    parser.add_argument("--delay-ms", type=float, default=0)
    parser.add_argument("--rate-mbit", type=float, default=0, help="0: as fast as it goes")
    options = parser.parse_args()
    try:
        asyncio.run(serve(options.listen, options.target, options.delay_ms / 1000,
                          options.rate_mbit * 1e6 / 8))
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
