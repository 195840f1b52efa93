"""A gRPC server of the health service for pod tests: `python health_server.py PORT FILE` answers SERVING while FILE
exists, else NOT_SERVING. It speaks just enough HTTP/2 for one call on each connection."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from pathlib import Path

import h2.config
import h2.connection
import h2.events

SERVING, NOT_SERVING = b"\0\0\0\0\x02\x08\x01", b"\0\0\0\0\x02\x08\x02"


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, file: Path) -> None:
    connection = h2.connection.H2Connection(h2.config.H2Configuration(False, header_encoding="utf-8"))
    connection.initiate_connection()
    writer.write(connection.data_to_send())
    while received := await reader.read(65536):
        for event in connection.receive_data(received):
            if isinstance(event, h2.events.StreamEnded) and event.stream_id is not None:
                connection.send_headers(event.stream_id, [(":status", "200"), ("content-type", "application/grpc")])
                connection.send_data(event.stream_id, SERVING if file.exists() else NOT_SERVING)
                connection.send_headers(event.stream_id, [("grpc-status", "0")], end_stream=True)
        writer.write(connection.data_to_send())
    writer.close()


async def main(port: int, file: Path) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            await serve(reader, writer, file)

    async with await asyncio.start_server(answer, "0.0.0.0", port) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), Path(sys.argv[2])))
