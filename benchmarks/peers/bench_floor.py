"""The least that a lone message can cost: two blocking sockets, no library. bench_floor.py bot <api url>"""

import json
import socket
import sys
from urllib.parse import quote, urlsplit


class Connection:
    def __init__(self, api_url: str):
        parts = urlsplit(api_url)
        self.path, self.socket = parts.path, socket.create_connection((parts.hostname, parts.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.answers = self.socket.makefile("rb")

    def get(self, path_and_query: str) -> bytes:
        self.socket.sendall(f"GET {self.path}{path_and_query} HTTP/1.1\r\nHost: bench\r\n\r\n".encode())
        length = 0
        while (line := self.answers.readline()) != b"\r\n":
            if line.lower().startswith(b"content-length:"):
                length = int(line[15:])
        return self.answers.read(length)


def bot(api_url: str) -> None:
    poll, send, last = Connection(api_url), Connection(api_url), 0
    while True:
        for event in json.loads(poll.get(f"/events/get?token=t&pollTime=60&lastEventId={last}"))["events"]:
            last, payload = event["eventId"], event["payload"]
            chat, text = quote(payload["chat"]["chatId"]), quote(payload["text"])
            send.get(f"/messages/sendText?token=t&chatId={chat}&text={text}")


if __name__ == "__main__":
    {"bot": bot}[sys.argv[1]](*sys.argv[2:])
