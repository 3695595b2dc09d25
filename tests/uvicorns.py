"""Servers in threads of the tests, which leave no socket open."""

import asyncio
import socket

import uvicorn


async def serve(server: uvicorn.Server, listener: socket.socket) -> None:
    """Until it stops. What is still connected then, or was accepted in the last moment, is cut.

    Otherwise it would be closed when it is collected, with a warning in the middle of some other test.
    """
    await server.serve(sockets=[listener])
    for _ in range(3):
        await asyncio.sleep(0.01)
        for connection in list(server.server_state.connections):
            connection.transport.abort()
    await asyncio.sleep(0)
