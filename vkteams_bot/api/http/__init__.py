"""The HTTP/1.1 client: an asyncio transport behind the API of httpx, and the one for synchronous code."""
